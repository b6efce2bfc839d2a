"""What arrived, as columns: one file per dataset that systems deliver. Nothing is typed, judged or dropped here."""
