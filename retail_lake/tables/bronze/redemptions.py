"""Coupon redemptions as event JSON lines, one file a day. Events may come up to ten days late, and twice."""

from datetime import timedelta

from retail_lake.contract import Column, Landing, Layer, Table

redemptions = Table(
    name="redemptions",
    layer=Layer.BRONZE,
    description=__doc__,
    grain="event",
    landing=Landing(
        system="events",
        dataset="redemptions",
        pattern=r"(?P<arrival>\d{4}-\d{2}-\d{2})/(?P<part>redemptions_\d{8})_v(?P<version>\d+)\.jsonl",
        reader="json_lines",
        expected=("redemptions_{day}",),
        start_after=timedelta(hours=6),
        claimed_day="business_day(parse_timestamp(redeemed_at))",
    ),
    columns=(
        Column("event_id", "string", "Identifier the producer gave the event; a repeated delivery repeats it."),
        Column("household_id", "string", "Household that redeemed, as written.", pii=True),
        Column("coupon_upc", "string", "Coupon redeemed, as written."),
        Column("campaign_id", "string", "Campaign that handed the coupon out, as written."),
        Column("redeemed_at", "string", "Moment of the redemption, ISO 8601 in UTC, as written."),
    ),
)
