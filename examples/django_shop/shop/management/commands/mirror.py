"""Mirror the catalog into a database: `manage.py mirror`, from cron."""

from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from kakaclo_async import KakaCloError
from kakaclo_sync import Mirror
from shop import clients


class Command(BaseCommand):
    """Pulls what is new since the last run, which may have been killed; or reads everything again."""

    help = "Pull what is new in KakaClo's catalog into SHOP_CATALOG."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("--verify", action="store_true", help="read it all again, and find what is gone")

    def handle(self, *_arguments: object, **options: object) -> None:
        """Run once."""
        try:
            mirror = Mirror(clients.blocking(), settings.SHOP_CATALOG)
            report = mirror.verify() if options["verify"] else mirror.run()
        except KakaCloError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{report.products} products and {report.skus} SKUs with {report.requests} requests, "
            f"{len(report.gaps)} gaps"
        )
