"""kerasnets report: a study as one page."""

from pathlib import Path

import click

from kerasnets.cli.options import data_dir_option, device_option, engine_option
from kerasnets.errors import shown


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="[default: report.html in DIR]"
)
@click.option(
    "--diagnose/--no-diagnose",
    default=False,
    help="Find first why each collapsed network failed, as 'kerasnets diagnose "
    "--ablate' does, in DIR/diagnoses. That trains, minutes for a large network; how "
    "long is said first.  [default: no-diagnose]",
)
@device_option
@engine_option
@data_dir_option
def report(
    folder: Path,
    out: Path | None,
    diagnose: bool,
    device: str,
    engine: str,
    data_dir: Path | None,
) -> None:
    """Write a study, or a folder of runs, as one HTML page.

    DIR is the folder of 'kerasnets reproduce', or one with runs anywhere below it. The
    page needs no other file and no network. Nothing is trained unless --diagnose is
    named. Pictures of confused classes and the diagnosis of a collapsed network need
    the data, which only --diagnose downloads; device and engine are the diagnosis's.

    \b
    Examples:
      kerasnets report artifacts/study/quick
      kerasnets report artifacts/study/quick --out quick.html
    """
    if not diagnose:
        for option, given in (("--device", device), ("--engine", engine)):
            if given != "auto":
                raise click.UsageError(
                    f"{option} is the diagnosis's, and has no effect without "
                    "--diagnose."
                )
    from kerasnets.report.page import check_place, page, write_page
    from kerasnets.report.sections.failure import named_collapsed, to_diagnose
    from kerasnets.report.sources import read_sources

    path = out or folder / "report.html"
    sources = read_sources(folder, data_dir)
    check_place(path)
    if diagnose:
        from kerasnets.compute.execution import Execution
        from kerasnets.report.missing_diagnoses import diagnose_collapsed

        try:
            diagnose_collapsed(
                sources,
                execution=Execution(device, engine, data_dir),
                say=lambda line: click.echo(line, err=True),
            )
        except KeyboardInterrupt:
            click.echo("kerasnets: interrupted; no report is written.", err=True)
            raise click.exceptions.Exit(130) from None
    write_page(page(sources), path)
    if not diagnose and (collapsed := to_diagnose(sources)):
        click.echo(
            f"{shown(named_collapsed(collapsed))}; --diagnose trains to see why."
        )
    click.echo(f"the report is {shown(path)}")
