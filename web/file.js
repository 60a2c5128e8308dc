// A classic script, for browsers load no modules from files: says what to do with a page that was opened as a file.
if (location.protocol === "file:") {
  const sentence = document.getElementById("opened-as-file");
  if (sentence) sentence.hidden = false;
}
