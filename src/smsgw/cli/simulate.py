"""`smsgw simulate`: which strategy would do best?"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smsgw.cli.failing import fail, one_line

if TYPE_CHECKING:
    from rich.table import Table

    from smsgw.strategies.compare import Told


def simulate(
    profile: Annotated[Path | None, typer.Argument(help="JSON: traffic, and models of the providers.")] = None,
    strategy: Annotated[list[str] | None, typer.Option(help="Only these strategies or variants (repeat).")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same numbers.", min=0)] = 1,
    providers: Annotated[
        Path | None, typer.Option(help="A PROVIDERS_CONFIG file: its names, weights, priorities and limits count.")
    ] = None,
    svg: Annotated[Path | None, typer.Option(help="Write the chart here (needs smsgw[charts]).")] = None,
    png: Annotated[Path | None, typer.Option(help="The same as a PNG.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the table.")] = False,
    example: Annotated[bool, typer.Option("--example", help="Print a profile to begin with.")] = False,
) -> None:
    """Compare strategies: replay a traffic profile against models of providers, without a clock and without sending.

    The decisions are the worker's own. See docs/how-to/compare-strategies.md. Example:

    smsgw simulate --example > profile.json && smsgw simulate profile.json --svg chart.svg
    """
    from smsgw.wiring import strategies

    if example:
        typer.echo(strategies.example(), nl=False)
        return
    if profile is None:
        raise fail("a profile expected; `smsgw simulate --example` prints one", code=2)
    charts = {kind: path for kind, path in (("svg", svg), ("png", png)) if path}
    with _line_per_mistake():
        strategies.check_charts(charts)
        with ExitStack() as stack:
            summaries = strategies.run_simulation(
                profile,
                providers=providers,
                names=strategy or (),
                seed=seed,
                begin=lambda names, messages: _progress(stack, names, messages),
            )
    # The numbers first: a chart that cannot be written must not take them along.
    if json:
        typer.echo(strategies.as_json(summaries))
    else:
        _print(strategies.table_of(summaries), strategies.NOTE)
    with _line_per_mistake():
        strategies.draw_charts(summaries, charts)


@contextmanager
def _line_per_mistake() -> Iterator[None]:
    from smsgw.wiring.strategies import ProfileError

    try:
        with one_line():
            yield
    except ProfileError as error:
        *others, last = error.lines
        for line in others:
            fail(line)
        raise fail(last, code=2) from None


def _progress(stack: ExitStack, names: Sequence[str], messages: int) -> "Told":
    """Return who shows how far the strategies are; on a terminal only, and until the stack is closed."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    bars = stack.enter_context(Progress(console=console, transient=True, disable=not console.is_terminal))
    tasks = [bars.add_task(name, total=messages) for name in names]
    return lambda number, done: bars.update(tasks[number], completed=done)


def _print(table: "Table", note: str) -> None:
    from rich.console import Console

    console = Console()
    console.print(table)
    console.print(note, highlight=False)


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(simulate)
