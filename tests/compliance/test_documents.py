"""The report as a person reads it: Markdown and a page, in which nothing that others wrote takes effect."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

from holdfast.domain.compliance import Evidence, Report
from holdfast.domain.frameworks import FRAMEWORKS
from holdfast.reports.html import html
from holdfast.reports.markdown import markdown
from tests.support.node import service_on

EVIL = "<script>alert(1)</script>|[x](javascript:1)\"'&*_`\n# heading"
MOMENT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ACCESS = Evidence(
    id="access",
    title="Who holds what",
    source="held",
    statement=f"Held by {EVIL}.",
    attention="Unused: 1.",
    columns=("Who", "Holds"),
    rows=((EVIL, "get"), ("alice", EVIL)),
    more=7,
)
REPORT = Report(
    made_at=MOMENT,
    since=MOMENT,
    installation="0f",
    release="1",
    frameworks=tuple(FRAMEWORKS.values()),
    evidence=(ACCESS,),
)


class _Page(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.headings: list[int] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_for_itself_and_runs_nothing() -> None:
    text = html(REPORT)
    page = _Page(text)
    assert page.open == [], "every element ends where it should"
    assert not {"script", "iframe", "img", "link", "form", "object"} & set(page.tags)
    assert [name for name, _ in page.attributes if name.startswith("on")] == []
    links = [value for name, value in page.attributes if name == "href"]
    assert links
    assert all(link is not None and link.startswith("#") for link in links), "nothing is loaded from elsewhere"
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_the_page_is_accessible() -> None:
    page = _Page(html(REPORT))
    assert ("lang", "en") in page.attributes
    assert page.tags.count("h1") == page.tags.count("main") == page.tags.count("title") == 1
    assert all(next_ <= before + 1 for before, next_ in zip(page.headings, page.headings[1:], strict=False))
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    named = {value for name, value in page.attributes if name == "href"}
    assert {str(link)[1:] for link in named} <= set(map(str, ids)), "every link leads somewhere"
    assert page.tags.count("th") == sum(name == "scope" for name, _ in page.attributes)


def test_what_others_wrote_is_text_and_nothing_else() -> None:
    text = markdown(REPORT)
    assert "<script" not in text
    assert re.search(r"(?<!\\)\|", text.split("| get |")[0].rsplit("\n", 1)[1][2:-1]) is None, "no cell is broken"
    assert "\n# heading" not in text
    assert text.count("… and 7 more.") == html(REPORT).count("… and 7 more.") == 1


def test_every_control_is_in_both_with_what_it_asks_and_what_is_not_shown() -> None:
    text, page = markdown(REPORT), html(REPORT)
    for framework in REPORT.frameworks:
        for control in framework.controls:
            assert f"### {control.number} {control.title}\n\nAsks: {control.asks}\n" in text
            assert f"</span>{control.title}</h3>" in page
            if control.yours:
                assert f"- **Not shown by this system**: {control.yours}" in text


async def test_a_report_of_a_real_installation_can_be_written(database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path) as service:
        await service.grant_access("k", EVIL.split("\n", maxsplit=1)[0][:60].strip(), ["get"])
        report = await service.compliance.report()
    assert "<script>" not in html(report)
    assert "&lt;script&gt;" in html(report)
    assert len(markdown(report)) > 10_000
