"""The commands about clearing statements, as they are called: one was paid, or that is taken back."""

from typing import Annotated

import typer

from contracts.clearing_payment import TakenBackFor
from workers.cli_options import JsonOption, calendar_day

statements_app = typer.Typer(no_args_is_help=True, help="Clearing statements: say that one was paid, or take it back.")

PreviewOption = Annotated[bool, typer.Option("--preview", help="Show what it comes to; send nothing.")]


@statements_app.command("paid")
def statements_paid(
    statement_id: Annotated[str, typer.Argument(metavar="STATEMENT_ID", help="As it stands on the statement.")],
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="Yuan, such as 1200.50.")],
    paid_on: Annotated[
        str, typer.Option("--paid-on", parser=calendar_day, metavar="DAY", help="When the money went out.")
    ],
    voucher: Annotated[str, typer.Option(metavar="NO", help="The payment voucher's number.")],
    revision: Annotated[int | None, typer.Option(min=1, help="The revision that was paid; else the latest.")] = None,
    payment_id: Annotated[
        str | None, typer.Option(metavar="ID", help="The payment's name; else one of statement and voucher.")
    ] = None,
    unseen: Annotated[bool, typer.Option("--unseen", help="Send it even if no such statement has come yet.")] = False,
    overpay: Annotated[bool, typer.Option("--overpay", help="Send it even if it is more than is open.")] = False,
    preview: PreviewOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say that a statement was paid, or a part of it: show what it leaves open, then send it.

    Said again with the same voucher it counts once. Exit 65 where it would be refused; then nothing is sent.
    """
    from workers.payment_commands import PaidOrder, pay_statement

    order = PaidOrder(statement_id, amount, paid_on, voucher, revision, payment_id, unseen, overpay, preview, as_json)
    raise typer.Exit(pay_statement(order))


@statements_app.command("take-back")
def statements_take_back(
    payment_id: Annotated[str, typer.Argument(metavar="PAYMENT_ID", help="As `paid` and the page name it.")],
    why: Annotated[TakenBackFor, typer.Option(help="Why it no longer counts.")],
    taken_back_on: Annotated[
        str, typer.Option("--on", parser=calendar_day, metavar="DAY", help="From when on it does not count.")
    ],
    voucher: Annotated[str | None, typer.Option(metavar="NO", help="The voucher of what came back.")] = None,
    unseen: Annotated[bool, typer.Option("--unseen", help="Send it even if no such payment was told yet.")] = False,
    preview: PreviewOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take a payment back that the bank returned, that was cancelled, or that was recorded by mistake.

    Pay anew under another voucher or --payment-id.
    """
    from workers.payment_commands import TakenBackOrder, take_back_payment

    raise typer.Exit(
        take_back_payment(TakenBackOrder(payment_id, why.value, taken_back_on, voucher, unseen, preview, as_json))
    )
