"""A run as one HTML file: numbers, a time line, what was violated. Pure, self-contained, light and dark."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape

import msgspec

from tests.chaos.nemesis import Happening
from tests.chaos.run import Result
from tests.chaos.schedule import MENU

WIDTH, LEFT, RIGHT, CHART, LANE = 1040, 150, 20, 180, 20
_LOOKS = {"kill": "dead", "stop": "dead", "restart": "dead", "immediate stop": "dead"}
_LOOKS |= {"freeze": "silent", "partition": "silent"}
"""Of everything else a component is hindered."""
_STYLE = """
:root{color-scheme:light dark;--ink:#1a1c20;--soft:#5c6370;--line:#d8dbe0;--paper:#fff;--dead:#c2410c;--silent:#6d28d9;
--hindered:#a16207;--accepted:#0369a1;--sent:#15803d;--heal:#eef6ee;--bad:#b91c1c}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa1ac;--line:#363a42;--paper:#16181c;--dead:#fb923c;
--silent:#a78bfa;--hindered:#facc15;--accepted:#38bdf8;--sent:#4ade80;--heal:#1b261d;--bad:#f87171}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1080px;margin:2rem auto;
padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .5rem}.soft{color:var(--soft)}
.good{color:var(--sent)}.bad{color:var(--bad)}
table{border-collapse:collapse}th,td{padding:.25rem .9rem .25rem 0;text-align:left;border-bottom:1px solid var(--line);
font-variant-numeric:tabular-nums}th{font-weight:500;color:var(--soft)}
.scroll{overflow-x:auto}svg{min-width:720px;width:100%;height:auto;display:block}
svg text{font:11px system-ui,sans-serif;fill:var(--soft)}.axis{stroke:var(--line)}.heal{fill:var(--heal)}
.accepted{stroke:var(--accepted)}.sent{stroke:var(--sent)}polyline{fill:none;stroke-width:1.6}
.dead{fill:var(--dead)}.silent{fill:var(--silent)}.hindered{fill:var(--hindered)}
svg .in{fill:var(--paper)}svg .accepted-name{fill:var(--accepted)}svg .sent-name{fill:var(--sent)}
pre{white-space:pre-wrap;overflow-wrap:anywhere}
"""


def page(result: Result, machine: str) -> str:
    """Return the whole page."""
    verdict = '<span class="good">no violation</span>'
    if result.violations:
        verdict = f'<span class="bad">{len(result.violations)} violations</span>'
    plan = result.plan
    about = (
        f"{result.began_at:%Y-%m-%d %H:%M} UTC · {plan.seconds:.0f} s of load, about {plan.rate:.0f} requests/s · "
        f"{len(result.happenings)} faults · quiet {result.quiet_seconds:.0f} s after · {machine}"
    )
    replay = f"python -m tests.chaos --seed {plan.seed} --seconds {plan.seconds:.0f}"
    return "\n".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>smsgw nemesis, seed {plan.seed}</title><style>{_STYLE}</style>",
            f"<h1>Nemesis, seed {plan.seed}: {verdict}</h1>",
            f'<p class="soft">{escape(about)}<br>Again: <code>{escape(replay)}</code></p>',
            _numbers(result),
            "<h2>Time line</h2>",
            f'<div class="scroll">{_time_line(result)}</div>',
            _violations(result.violations),
            "<h2>What callers were answered</h2>",
            _pairs(result.answers),
            *(["<h2>Why messages failed</h2>", _pairs(result.reasons)] if result.reasons else []),
            f"<h2>smsgw audit: exit code {result.audit_code}</h2><pre>{escape(result.audit)}</pre>",
            "<h2>Open before and after</h2>",
            _pairs({name: f"{before} → {after}" for name, (before, after) in result.leaks.items()}),
            "<h2>Faults</h2>",
            _faults(result.happenings, result.began_at),
            "</html>\n",
        ]
    )


def _numbers(result: Result) -> str:
    counted = msgspec.structs.asdict(result.tally)
    return f'<div class="scroll">{_table(counted, [list(map(str, counted.values()))])}</div>'


def _violations(violations: Sequence[str]) -> str:
    if not violations:
        return ""
    items = "".join(f"<li>{escape(each)}</li>" for each in violations)
    return f'<h2 class="bad">Violations</h2><ul>{items}</ul>'


def _faults(happenings: Sequence[Happening], began_at: datetime) -> str:
    rows = [
        [
            f"{_since(began_at, each.began_at):.1f} s",
            f"{_since(each.began_at, each.ended_at):.1f} s",
            each.fault.component,
            each.fault.kind,
        ]
        for each in happenings
    ]
    return _table(("at", "for", "component", "fault"), rows)


def _pairs(counted: Mapping[str, object]) -> str:
    return _table((), [[name, str(value)] for name, value in counted.items()])


def _table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    names = "".join(f"<th>{escape(each)}</th>" for each in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{names}</tr>' if names else ''}{lines}</table>"


def _time_line(result: Result) -> str:
    seconds = max(len(result.accepted), 1)
    height = CHART + LANE * len(MENU) + 30
    scale = (WIDTH - LEFT - RIGHT) / seconds
    healing = LEFT + result.plan.seconds * scale
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Faults and rates over time">',
        f'<rect class="heal" x="{healing:.1f}" y="0" width="{WIDTH - RIGHT - healing:.1f}" height="{height - 30}"/>',
        f'<text x="{healing + 4:.1f}" y="{CHART - 6}">heal</text>',
        *_ticks(seconds, scale, height),
        *_curves(result, scale),
        *_lanes(result, scale),
        "</svg>",
    ]
    return "".join(parts)


def _ticks(seconds: int, scale: float, height: int) -> Iterable[str]:
    step = 10 if seconds > 40 else 5
    for second in range(0, seconds + 1, step):
        x = LEFT + second * scale
        yield f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - 30}"/>'
        yield f'<text x="{x:.1f}" y="{height - 14}" text-anchor="middle">{second} s</text>'


def _curves(result: Result, scale: float) -> Iterable[str]:
    highest = max([1, *result.accepted, *result.sent])
    for place, (name, counts) in enumerate((("accepted", result.accepted), ("sent", result.sent))):
        points = " ".join(
            f"{LEFT + (second + 0.5) * scale:.1f},{CHART - 12 - count / highest * (CHART - 30):.1f}"
            for second, count in enumerate(counts)
        )
        yield f'<polyline class="{name}" points="{points}"/>'
        yield f'<text class="{name}-name" x="0" y="{30 + place * 18}">{name}/s</text>'
    yield f'<text x="{LEFT - 6}" y="22" text-anchor="end">{highest}</text>'
    yield f'<text x="{LEFT - 6}" y="{CHART - 8}" text-anchor="end">0</text>'


def _lanes(result: Result, scale: float) -> Iterable[str]:
    for lane, component in enumerate(MENU):
        y = CHART + lane * LANE
        yield f'<text x="0" y="{y + 14}">{escape(component)}</text>'
        yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        for each in result.happenings:
            if each.fault.component == component:
                yield _bar(each, result.began_at, y, scale)


def _bar(happening: Happening, began_at: datetime, y: int, scale: float) -> str:
    x = LEFT + _since(began_at, happening.began_at) * scale
    width = max(3.0, _since(happening.began_at, happening.ended_at) * scale)
    kind = happening.fault.kind
    look = _LOOKS.get(kind, "hindered")
    place = f'class="in" x="{x + 4:.1f}"' if width > 8 * len(kind) else f'x="{x + width + 3:.1f}"'
    label = f'<text {place} y="{y + 14}">{kind}</text>'
    title = f"<title>{escape(happening.fault.component)}: {kind}, {happening.fault.seconds} s</title>"
    return f'<rect class="{look}" x="{x:.1f}" y="{y + 4}" width="{width:.1f}" height="12" rx="2">{title}</rect>{label}'


def _since(start: datetime, moment: datetime) -> float:
    return (moment - start).total_seconds()
