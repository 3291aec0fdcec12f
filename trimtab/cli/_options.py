"""What options have in common: whole numbers, the ones that most commands know, and their place on a help page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from trimtab.cli import _complete as complete

if TYPE_CHECKING:
    Converter = click.ParamType[int]
else:
    Converter = click.ParamType  # no generic class before click 8.4


class Whole(Converter):
    """A whole number, at least so much."""

    name = "N"

    def __init__(self, least: int) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = int(value)
        except (TypeError, ValueError):
            number = self.least - 1
        if number < self.least:
            self.fail(f"{value}: a whole number, at least {self.least}, was expected.", param, ctx)
        return number


COUNT, NUMBER = Whole(1), Whole(0)

named = click.option(
    "-s", "--study", "name", metavar="NAME", help="The study, where the storage holds several.",
    shell_complete=complete.studies,
)  # fmt: skip
as_json = click.option("--json", "as_json", is_flag=True, help="For programs.")


class WithProgram(click.Command):
    """A command whose words after `--` are a program and its arguments. Its help tells their options apart."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["program"] = []
        if "--" in args:
            i = args.index("--")
            ctx.meta["program"], args = args[i + 1 :], args[:i]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        rows = [row for option in options if (row := option.get_help_record(ctx)) is not None]
        mark = "Of a program: "
        for title, wanted in (("Options", False), ("Of a program after --", True)):
            shown = [
                (name, text.removeprefix(mark)[:1].upper() + text.removeprefix(mark)[1:])
                for name, text in rows
                if text.startswith(mark) is wanted
            ]
            if shown:
                with formatter.section(title):
                    formatter.write_dl(shown)
