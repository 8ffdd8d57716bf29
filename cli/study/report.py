"""kerasnets report: a study as one HTML page."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kerasnets.cli.options import execution_options
from kerasnets.errors import shown

if TYPE_CHECKING:
    from kerasnets.compute.execution import Execution


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="[default: report.html in DIR]"
)
@click.option(
    "--diagnose/--no-diagnose",
    default=False,
    help="First find why each collapsed network failed, as 'kerasnets diagnose "
    "--ablate' does, in DIR/diagnoses. This trains, for minutes if a network is large; "
    "an estimate is printed first.  [default: no-diagnose]",
)
@execution_options()
def report(
    folder: Path,
    out: Path | None,
    diagnose: bool,
    execution: "Execution",
) -> None:
    """Write a study, or a folder of runs, as one HTML page.

    DIR is the folder of 'kerasnets reproduce', or any folder with runs below it. The
    page needs no other file and no internet access. Nothing is trained without
    --diagnose. Pictures of confused classes and the diagnosis of a collapsed network
    need the data, which only --diagnose downloads. --device, --engine, --deterministic
    and --threads apply to the diagnosis.

    \b
    Examples:
      kerasnets report artifacts/study/quick
      kerasnets report artifacts/study/quick --out quick.html
    """
    from kerasnets.compute.execution import DEFAULT

    if not diagnose:
        for option in ("device", "engine", "deterministic", "threads"):
            if getattr(execution, option) != getattr(DEFAULT, option):
                raise click.UsageError(f"--{option} has no effect without --diagnose.")
    from kerasnets.report.page import check_place, page, write_page
    from kerasnets.report.sections.failure import named_collapsed, to_diagnose
    from kerasnets.report.sources import read_sources

    path = out or folder / "report.html"
    sources = read_sources(folder, execution.data_dir)
    check_place(path)
    if diagnose:
        from kerasnets.report.missing_diagnoses import diagnose_collapsed

        try:
            diagnose_collapsed(
                sources,
                execution=execution,
                say=lambda line: click.echo(line, err=True),
            )
        except KeyboardInterrupt as error:
            error.add_note("no report is written")
            raise
    write_page(page(sources), path)
    if not diagnose and (collapsed := to_diagnose(sources)):
        click.echo(
            f"{shown(named_collapsed(collapsed))}; --diagnose trains to see why."
        )
    click.echo(f"the report is {shown(path)}")
