"""Takes the pictures of docs/how-to/look-at-it.md from a running service: `python tools/screenshots.py URL`.

The service should have a running job, and two that have succeeded, the newest with its comparison done.
"""

import io
import random
import sys
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parents[1] / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
WIDTH, PHONE_WIDTH = 1200, 360
COLOURS = 256  # what a PNG with a palette may have: a third of the bytes
SETTLE_MS = 2500  # until charts are drawn and pictures have melted
TABLE = "weather.csv"


def main(url: str) -> None:
    """Write every picture."""
    with httpx.Client(base_url=url) as client:
        jobs = client.get("/v1/jobs").json()["items"]
    done = [job for job in jobs if job["model"]]
    running = next(job for job in jobs if job["status"] == "running")
    runs = ",".join(job["id"] for job in done[:2])
    places = {
        "jobs": ("#/jobs", 520),
        "job": (f"#/jobs/{running['id']}", 1500),
        "model": (f"#/models/{done[0]['model']}", 1250),
        "dataset": (f"#/datasets/{done[0]['config']['dataset']}", 900),
        "compare": (f"#/compare?jobs={runs}", 1100),
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 800})
        for name, (place, height) in places.items():
            page.goto(f"{url}/{place}")
            shoot(page, name, WIDTH, height)
        page.goto(f"{url}/#/new")
        page.set_input_files("input[type=file]", {"name": TABLE, "mimeType": "text/csv", "buffer": table()})
        shoot(page, "new", WIDTH, 900)
        page = browser.new_page(color_scheme="dark")
        page.goto(f"{url}/{places['job'][0]}")
        shoot(page, "phone", PHONE_WIDTH, 800)
        browser.close()


def shoot(page: Page, name: str, width: int, height: int) -> None:
    """Write what is seen of a page in a window of this size."""
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_timeout(SETTLE_MS)
    shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    small(shown).save(IMAGES / f"{name}.png", optimize=True)


def small(picture: Image.Image) -> Image.Image:
    """Keep a picture's commonest colours, exactly, and take the nearest of them for the others."""
    common = sorted(picture.getcolors(picture.width * picture.height) or [], reverse=True)[:COLOURS]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for _, colour in common for part in colour])
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)


def table() -> bytes:
    """Make up a table with text, dates and missing cells."""
    chance = random.Random(0)  # noqa: S311 - nothing is to be guessed
    lines = ["day,station,sky,wind,humidity,pressure,remark"]
    for day in range(1, 241):
        wind, sky = chance.gammavariate(2, 2), chance.choice(["clear", "cloudy", "rain"])
        humidity = "" if chance.random() < 0.05 else f"{chance.betavariate(4, 2):.3f}"
        pressure = f"{chance.gauss(1013, 8):.1f}"
        date = f"2026-{1 + day // 28:02}-{1 + day % 28:02}"
        lines.append(f"{date},S{day:04},{sky},{wind:.2f},{humidity},{pressure},seen at {day} o'clock")
    return "\n".join(lines).encode()


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
