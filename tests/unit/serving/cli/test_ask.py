"""What `alsobought ask` shows: titles wherever they are known, on all the width there is."""

import io

from rich.console import Console

from serving.cli.ask import _show, _titles
from serving.client.client import NoReply


class Service:
    """Answers as the service does: products by id, with titles."""

    def __init__(self, titles, fails=False):
        self.titles, self.fails, self.asked = titles, fails, []

    def ask(self, body, _timeout_s):
        self.asked.append(body)
        if self.fails:
            raise NoReply("no reply within 1 s")
        only = body["filters"]["only"]
        assert body["k"] == len(only) <= 10
        return {"recommendations": [{"product_id": one, "title": self.titles.get(one)} for one in only]}


def reply(*items):
    return {
        "profile_id": "c-1",
        "model_version": "v1",
        "kind": "recs",
        "degraded": None,
        "shortfall": None,
        "watermark": {"partition": 0, "offset": 7},
        "recommendations": [
            {"product_id": one, "title": title, "price": 2.5, "score": 0.5, "strategy": "item2vec", "because": because}
            for one, title, because in items
        ],
    }


def shown(found, titles, width):
    out = io.StringIO()
    _show(Console(file=out, width=width, highlight=False), found, titles)
    return out.getvalue()


def test_reasons_have_the_titles_that_the_service_knows():
    found = reply(("p1", "Teapot", ["p2", "p3"]), ("p2", "Cup", ["p4"]))
    service = Service({"p3": "Saucer"})

    titles = _titles(service, found, 1.0)

    assert titles == {"p1": "Teapot", "p2": "Cup", "p3": "Saucer"}
    assert [body["filters"]["only"] for body in service.asked] == [["p3", "p4"]]
    assert "Cup, Saucer" in shown(found, titles, 120)
    assert "p4" in shown(found, titles, 120)


def test_many_reasons_are_asked_for_in_parts():
    found = reply(*((f"p{at}", "T", [f"r{at}", f"q{at}"]) for at in range(12)))
    service = Service({f"r{at}": f"Reason {at}" for at in range(12)})

    assert _titles(service, found, 1.0)["r11"] == "Reason 11"
    assert [body["k"] for body in service.asked] == [10, 10, 4]


def test_without_a_second_answer_the_ids_stand_there():
    found = reply(("p1", "Teapot", ["p3"]))

    titles = _titles(Service({}, fails=True), found, 1.0)

    assert titles == {"p1": "Teapot"}


def test_long_titles_use_a_wide_screen_and_lose_no_letter_on_a_narrow_one():
    title, reason = "A very long title of a hand made teapot with roses", "Another rather long title of a blue saucer"
    found = reply(("p1", title, ["p2"]))

    wide = shown(found, {"p2": reason}, 170)
    narrow = "".join(shown(found, {"p2": reason}, 70).split())

    assert f"{title}  " in wide
    assert reason in wide
    assert "…" not in narrow
