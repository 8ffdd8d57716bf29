"""kerasnets verify: find damaged, missing and stale files of runs."""

from pathlib import Path

import click


@click.command()
@click.argument(
    "folders",
    metavar="RUN...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
)
@click.pass_context
def verify(context: click.Context, folders: tuple[Path, ...]) -> None:
    """Check every file of runs against its digest.

    RUN is a run folder, or the name of one under artifacts/runs. Prints a line for each
    file that is damaged, missing, unknown or stale (computed before the run was trained
    further). The exit status is 0 if there is none. An evaluated run may be published
    without its model and checkpoints. run.log, which only grows, has no digest, nor
    have runs made before digests were kept.

    \b
    Examples:
      kerasnets verify artifacts/runs/mnist-vgg19-bn
      kerasnets verify artifacts/runs/*
    """
    from kerasnets import runs
    from kerasnets.errors import RunError, shown
    from kerasnets.runs.results import stale
    from kerasnets.runs.status import weights_left_out
    from kerasnets.storage.digests import verify as check

    whole = True
    for named in folders:
        folder = runs.locate(named)
        if not folder.is_dir():
            raise RunError(f"there is no run folder {named}.")
        found = check(folder)
        recorded = found.findings if found else ()
        left_out = weights_left_out(folder, recorded)
        findings = [one for one in recorded if one not in left_out]
        findings += stale(folder)
        if found is None:
            click.echo(f"{shown(folder)}: not recorded: it has no digests.json")
        elif not findings:
            published = "published without weights; " if left_out else ""
            files = f"{found.checked - len(left_out)} files are unchanged"
            click.echo(f"{shown(folder)}: {published}{files}")
        for finding in findings:
            click.echo(f"{shown(folder / finding.name)}: {finding.what}")
        whole = whole and found is not None and not findings
    context.exit(0 if whole else 1)
