"""Each way to use the page ends with a mask over what the camera shows: an address, a phone, a folder, offline."""

import json

import pytest

CAMERA = "?source=camera&effect=cutout&backend=wasm"
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 3,
    "has_touch": True,
    "is_mobile": True,
}

# Decodes the drawn picture and gives the share of it that is transparent.
CLEAR = """async () => {
  const bitmap = await createImageBitmap(await bodylens.snapshot());
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  let clear = 0;
  for (let i = 3; i < data.length; i += 4) clear += data[i] < 128;
  return (4 * clear) / data.length;
}"""


def assert_masked(page):
    """The camera shows a portrait: some of it is cut out, some is not."""
    assert 0.1 < page.evaluate(CLEAR) < 0.9


@pytest.mark.parametrize("context", [{}, PHONE], ids=["computer", "phone"])
def test_the_address_of_our_server(visit, wait_state, context):
    page = visit(CAMERA, **context).page
    wait_state(page, "running")
    assert_masked(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the screen"


@pytest.mark.parametrize("context", [{}, PHONE], ids=["computer", "phone"])
def test_a_folder_below_a_path_of_a_bare_host_and_then_without_any_host(visit, wait_state, host, context):
    page = visit(CAMERA, at=host.address, **context).page
    wait_state(page, "running")
    assert_masked(page)
    host.stop()
    page.reload()
    wait_state(page, "running")
    assert_masked(page)
    assert page.locator("#privacy-open").is_visible()


def test_installed_and_started_without_a_network(chromium, launch, camera_file, host, tmp_path, wait_state):
    """Chromium installs nothing in private windows, and playwright's are: so a profile on disk, twice."""
    kind, program = chromium
    options = {"executable_path": program, "args": launch.flags()}
    with kind.launch_persistent_context(str(tmp_path / "profile"), **options) as context:
        page = context.new_page()
        page.goto(host.address + CAMERA)
        wait_state(page, "running")
        tools = context.new_cdp_session(page)
        told = tools.send("Page.getAppManifest")
        assert told["errors"] == []
        assert json.loads(told["data"])["display"] == "standalone"
        assert tools.send("Page.getInstallabilityErrors")["installabilityErrors"] == []
    host.stop()
    with kind.launch_persistent_context(str(tmp_path / "profile"), **options) as context:
        page = context.new_page()
        page.goto(host.address + CAMERA)
        wait_state(page, "running")
        assert_masked(page)
