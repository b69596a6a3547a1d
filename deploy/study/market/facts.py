"""Published figures the synthetic market is drawn to, each with its unit and source.

This file must not hold anything chosen to make the study come out: that is `rule.py`.
"""

#: Shares of workers by age band (from, below, share), years. Source: NBS survey of migrant workers
#: 2023 (<=40 0.446, 41-50 0.248, >50 0.306); the first band is split by our own choice.
AGE_BANDS = ((18, 25, 0.09), (25, 41, 0.356), (41, 51, 0.248), (51, 63, 0.306))
#: Share of men. Source: NBS survey of migrant workers 2023.
MEN = 0.627
#: Share of gig workers among all employees: 84 of 402 million. Source: 全总 ninth survey 2023.
GIG = 8400 / 40200
#: Share of couriers who do not work full time. Source: 美团研究院 2023, secondary repost (> 0.80).
GIG_PART_TIME = 0.80
#: Share of workers who would take work in another city. Source: the source study of gig work.
MOVERS = 0.763
#: Share of those away from home who leave their province, by its region. Source: NBS survey of
#: migrant workers 2024, by region of origin; secondary repost.
LEAVE_PROVINCE = {"east": 0.134, "central": 0.518, "west": 0.446, "northeast": 0.336}

#: Median monthly pay by kind of work, yuan. Sources: NBS 2024 migrant workers by industry (mfg
#: 4978, construction 5743, trade 4362, transport 5635, hospitality 4141, resident services 4023;
#: secondary repost); couriers: 美团研究院 2023 (6400, between first and third tier);
#: professionals and clerks: NBS 2023 above-scale firms per year / 12, times the ratio of urban
#: private to all above-scale pay (0.7); IT: postings of 2019 (15 000 in Shenzhen), likewise.
PAY = {
    "manufacturing": 4978,
    "construction": 5743,
    "trade": 4362,
    "transport": 5635,
    "hospitality": 4141,
    "resident": 4023,
    "courier": 6400,
    "clerk": 5200,
    "professional": 8200,
    "it": 11000,
    "farm": 3800,
}
#: Standard deviation of log pay within an occupation: ln(p90/p10)/2.563 for p90/p10 of 1.6 to 2.6.
#: Source: OEWS 2025 (United States; no Chinese table by occupation was at hand).
PAY_LOG_SD = 0.26
#: Median ratio of the top to the bottom of an offered pay range. Source: postings of 2019.
PAY_RANGE = 1.67
#: Years asked (years, share). Source: Zhilian 2019 (any, 1-3, 3-5, 5-10, 10+), rescaled.
EXPERIENCE_ASKED = ((0, 0.371), (1, 0.298), (3, 0.2), (5, 0.11), (10, 0.021))
#: Openings per posting (count, share). Source: Zhilian 2019; the rest is spread over 4, 8 and 20.
OPENINGS = (
    (1, 0.494),
    (2, 0.151),
    (3, 0.099),
    (5, 0.092),
    (10, 0.058),
    (4, 0.046),
    (8, 0.04),
    (20, 0.02),
)
#: Weight of each month, January first: a trough of half in January and February.
#: Source: JobSDF 2021-23.
SEASON = (0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.9, 0.9, 0.8)
#: Share of all skill mentions on the 10, 100 and 1000 most frequent tags. Source: JobSDF 2021-23.
SKILL_MASS = {10: 0.179, 100: 0.574, 1000: 0.978}
#: Applications per worker: median and ninth decile, between job boards (2 and 8; US recommendation
#: logs) and platform tasks (3 and 48; crowd-testing reports per worker, China, 2015-16).
APPLICATIONS_P50, APPLICATIONS_P90 = 3, 14
#: Keyword matching's mismatch rate and the fall of match success across regions; the source study.
MISMATCH = 0.389
CROSS_REGION_LOSS = 0.427
