"""kerasnets report: a study as one page."""

from pathlib import Path

import click

from kerasnets.cli.options import data_dir_option, device_option, engine_option


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="[default: report.html in DIR]"
)
@click.option(
    "--diagnose",
    is_flag=True,
    help="First find why each collapsed network failed, as 'kerasnets diagnose "
    "--ablate' does, in DIR/diagnoses.",
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
    page needs no other file and no network. Data is needed for pictures of confused
    classes alone, and is not downloaded. Device, engine and data are for --diagnose.

    \b
    Examples:
      kerasnets report artifacts/study/quick
      kerasnets report artifacts/mnist-6000 --out mnist.html
    """
    from kerasnets.report.failure import FOLDER, read_diagnoses, undiagnosed
    from kerasnets.report.page import check_place, page, write_page
    from kerasnets.report.sources import read_sources

    path = out or folder / "report.html"
    sources = read_sources(folder)
    check_place(path)
    if diagnose:
        from kerasnets.study.diagnose import diagnose as study

        try:
            for record in undiagnosed(sources, read_diagnoses(folder)):
                study(
                    record.run.recipe,
                    folder / FOLDER / record.label.replace("/", "-"),
                    ablate=True,
                    overwrite=True,  # what an interrupted one has left
                    device=device,
                    engine=engine,
                    data_dir=data_dir,
                    say=lambda line: click.echo(line, err=True),
                )
        except KeyboardInterrupt:
            click.echo("kerasnets: interrupted; no report is written.", err=True)
            raise click.exceptions.Exit(130) from None
    write_page(page(sources, read_diagnoses(folder), data_dir), path)
    click.echo(f"the report is {path}")
