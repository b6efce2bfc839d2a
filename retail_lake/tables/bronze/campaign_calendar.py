"""When campaigns run, as the marketing API pages it out every Monday: one row per item of a page.

Each extract repeats all campaigns known by then and those that start within 90 days; the newest `as_of` holds.
"""

from retail_lake.contract import Column, Landing, Layer, Table

campaign_calendar = Table(
    name="campaign_calendar",
    layer=Layer.BRONZE,
    description=__doc__,
    grain="item of a page",
    landing=Landing(
        system="marketing_api",
        dataset="campaign_calendar",
        pattern=r"(?P<arrival>\d{4}-\d{2}-\d{2})/(?P<part>calendar_\d{8}_page-\d{3})_v(?P<version>\d+)\.json",
        reader="json_pages",
        options={"page_fields": ("as_of", "page")},
    ),
    columns=(
        Column("campaign_id", "string", "Campaign, as written."),
        Column("start_date", "string", "First day of the campaign, as written."),
        Column("end_date", "string", "Last day of the campaign, as written."),
        Column("as_of", "string", "Moment the extract was taken, ISO 8601 in UTC; the same on all its pages."),
        Column("page", "string", "Number of the page the item was on."),
    ),
)
