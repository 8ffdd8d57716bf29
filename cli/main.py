"""Entry point: commands are imported once Ctrl-C has an answer."""

from kerasnets.cli.stopping import is_stop, last_words, listen, listen_no_more


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    listen()
    try:
        from kerasnets.cli.commands import run_on_its_own

        status = run_on_its_own(arguments)
    except BaseException as error:
        if not is_stop(error):
            raise
        words = last_words([], error)
        listen_no_more()
        from kerasnets.cli.commands import fail

        status = fail(*words)
    listen_no_more()
    raise SystemExit(status)


if __name__ == "__main__":
    main()
