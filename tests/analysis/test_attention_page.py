"""The page of attention: small, whole in one file, and alive in a browser without network (A5)."""

import base64
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from analysis.attention import bertviz_pages
from analysis.attention import command as attention
from analysis.attention.page import Text, page

MIB = 2**20
CHROMIUM = shutil.which("chromium")


def text(name="0", n=32, n_layers=12, n_heads=12, tokens=None):
    random = np.random.default_rng(n)
    both = [random.dirichlet(np.ones(n), size=(n_layers, n_heads, n)) for _ in range(2)]
    return Text(name, tokens or [f"word{i}" for i in range(n)],
                *((maps, attention.rollout(maps)) for maps in both))  # fmt: skip


def data(html):
    return json.loads(re.search(r"const DATA = (.*);\n", html)[1])


def test_twelve_heads_of_twelve_layers_on_32_tokens_fit_into_a_mebibyte():
    html = page("lora", (text(str(i)) for i in range(9)), "caveat")
    assert len(html.encode()) <= MIB
    kept = data(html)["texts"]
    assert [one["id"] for one in kept] == ["0", "1"]  # as many as fit
    for one in kept:
        assert all(len(base64.b64decode(one[k])) == 145 * 32 * 32 for k in ("before", "after"))


def test_weights_are_kept_to_a_part_in_510():
    one = text(n=5, n_layers=2, n_heads=3)
    (kept,) = data(page("run", [one], ""))["texts"]
    found = np.frombuffer(base64.b64decode(kept["after"]), dtype=np.uint8) / 255
    np.testing.assert_allclose(found[:150], one.after[0].ravel(), atol=1 / 510)
    np.testing.assert_allclose(found[150:], one.after[1].ravel(), atol=1 / 510)


def test_a_text_that_is_too_long_is_cut_and_the_page_says_so():
    html = page("run", [text(n=80, n_layers=24, n_heads=16)], "")
    assert len(html.encode()) <= MIB
    found = data(html)
    assert found["cut"] == 80 - len(found["texts"][0]["tokens"]) > 0


def test_tokens_cannot_break_out_of_the_page():
    tokens = ["</script>", "<!--", '"', "\u2028"]
    html = page("<b>", [text(n=4, n_layers=1, n_heads=1, tokens=tokens)], "")
    assert html.count("</script>") == 1
    assert data(html)["texts"][0]["tokens"] == tokens


def test_nothing_in_the_page_asks_a_network():
    html = page("run", [text(n=4)], "")
    addresses = set(re.findall(r"\w+://[^\s\"'<]+", html))
    assert addresses == {"http://www.w3.org/2000/svg"}  # the name of a kind of element


def opened(path, script=""):
    """The page as a browser without any network leaves it, and what it complained about."""
    if CHROMIUM is None or not sys.platform.startswith("linux"):
        pytest.skip("needs chromium (Debian: apt-get install chromium)")
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        pytest.skip("needs the right to take the network away (unshare -n)")
    if script:
        html = path.read_text(encoding="utf-8")
        path.write_text(f"{html}<script>{script}</script>", encoding="utf-8")
    done = subprocess.run(
        ["unshare", "-n", CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu",
         "--enable-logging=stderr", "--v=0", "--virtual-time-budget=3000", "--dump-dom",
         "--window-size=1300,900", path.as_uri()],
        capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, [line for line in complaints if "error" in line.lower() or "ERR_" in line]


@pytest.mark.slow
def test_the_page_is_alive_without_network(tmp_path):
    """A5; choosing a layer, a head and a token changes what is drawn."""
    path = tmp_path / "page.html"
    path.write_text(page("lora", [text("a"), text("b", n=9)], "caveat"), encoding="utf-8")
    script = """
const lines = () => document.querySelectorAll("#svg-after line").length;
const found = [lines()];
const change = (id, value) => { const e = document.getElementById(id); e.value = value;
  e.dispatchEvent(new Event("change")); found.push(lines()); };
change("text", "1"); change("layer", "3"); change("head", "5"); change("layer", "rollout");
document.querySelector("#svg-after text").dispatchEvent(new Event("mouseenter"));
found.push(lines());
document.body.dataset.found = JSON.stringify(found);
"""
    shown, errors = opened(path, script)
    assert errors == []
    found = json.loads(re.search(r'data-found="([^"]*)"', shown)[1])
    assert all(n > 0 for n in found)
    assert found[1] == found[4] == 81  # every pair of nine tokens
    assert found[3] < 81  # a single head leaves some out
    assert found[5] == 9  # one token alone
    assert shown.count("<svg") == 2


@pytest.mark.slow
def test_before_and_after_of_a_long_text_stand_side_by_side(tmp_path):
    """In a window of 1300 pixels; a click on a map that is shown smaller chooses its head."""
    path = tmp_path / "page.html"
    path.write_text(page("lora", [text(n=70, n_layers=6)], "caveat"), encoding="utf-8")
    script = """
const canvas = document.getElementById("canvas-after"), box = canvas.getBoundingClientRect();
canvas.dispatchEvent(new MouseEvent("click", {clientX: box.right - 5, clientY: box.top + 5}));
document.body.dataset.found = JSON.stringify([state.layer, state.head,
  box.top - document.getElementById("canvas-before").getBoundingClientRect().top,
  box.right <= window.innerWidth, canvas.width > box.width]);
"""
    shown, errors = opened(path, script)
    assert errors == []
    found = json.loads(re.search(r'data-found="([^"]*)"', shown)[1])
    assert found == [0, 11, 0, True, True]


@pytest.mark.slow
def test_a_page_in_a_narrow_window_scrolls_down_only(tmp_path):
    """In 420 pixels, by a frame: a window cannot be made so narrow."""
    script = """
document.body.dataset.found = JSON.stringify(
  [document.documentElement.scrollWidth <= window.innerWidth, window.innerWidth]);
"""
    html = page("lora on a task", [text(n=40, n_layers=6, tokens=["word" * 4] * 40)], "caveat")
    inner = f"{html}<script>{script}</script>".replace("&", "&amp;").replace('"', "&quot;")
    path = tmp_path / "page.html"
    path.write_text(
        f'<iframe id="frame" width="420" height="900" srcdoc="{inner}"></iframe><script>'
        "frame.onload = () => document.body.dataset.found = "
        "frame.contentDocument.body.dataset.found;</script>",
        encoding="utf-8",
    )
    shown, errors = opened(path)
    assert errors == []
    found = re.findall(r'<body data-found="([^"]*)"', shown)
    assert json.loads(found[0]) == [True, 420]


def test_bertviz_pages_say_what_is_missing(tmp_path, monkeypatch):
    maps = {"after": np.full((1, 1, 2, 2), 0.5)}
    monkeypatch.setitem(sys.modules, "bertviz", None)
    with pytest.raises(ValueError, match=r"requirements-extra\.txt"):
        bertviz_pages.pages(["a", "b"], maps, tmp_path)
    with pytest.raises(ValueError, match=r"npm pack requirejs@2\.3\.6 && npm pack d3@5\.7\.0"):
        bertviz_pages.read_scripts(tmp_path)


@pytest.mark.slow
def test_bertviz_pages_are_alive_without_network(tmp_path):
    pytest.importorskip("bertviz", reason="pip install -r requirements-extra.txt")
    if shutil.which("npm") is None:
        pytest.skip("needs npm, for the three scripts of the page")
    for package, _ in bertviz_pages.SCRIPTS.values():
        packed = subprocess.run(
            ["npm", "pack", "--silent", package], cwd=tmp_path, capture_output=True, text=True
        )
        if packed.returncode:
            pytest.skip(f"npm cannot fetch {package}")
        folder = tmp_path / package
        folder.mkdir()
        subprocess.run(["tar", "xf", packed.stdout.strip(), "-C", folder], cwd=tmp_path, check=True)
    one = text(n=6, n_layers=2, n_heads=3)
    made = bertviz_pages.pages(one.tokens, {"after": one.after[0]}, tmp_path)
    assert set(made) == {"heads-after", "model-after"}
    for name, html in made.items():
        assert "cdnjs" not in html
        path = tmp_path / f"{name}.html"
        path.write_text(html, encoding="utf-8")
        shown, errors = opened(path)
        assert errors == []
        assert shown.count("<line") > 36  # every pair of tokens, at least once
