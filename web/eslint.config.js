// What eslint checks: the recommended rules, with the globals of the world that each folder runs in.
import js from "@eslint/js";
import globals from "globals";

const media = { MediaStreamTrackProcessor: "readonly", PressureObserver: "readonly" };

export default [
  { ignores: ["node_modules/"] },
  js.configs.recommended,
  { files: ["page/**/*.js", "file.js"], languageOptions: { globals: { ...globals.browser, ...media } } },
  {
    files: ["engine/**/*.js", "python/**/*.js", "downloads.js", "sw.js", "sw-live.js"],
    languageOptions: { globals: { ...globals.worker, ...media, OffscreenCanvas: "readonly", WebAssembly: "readonly" } },
  },
  { files: ["**/*.mjs"], languageOptions: { globals: globals.node } },
];
