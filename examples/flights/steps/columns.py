"""The columns of the model, and the fixed tables that turn codes into numbers: the same for every version."""

import pandas

KEY = ["time_hour", "carrier", "flight"]
LABEL = "arr_delay"

CARRIERS = "9E AA AS B6 DL EV F9 FL HA MQ OO UA US VX WN YV".split()
ORIGINS = "EWR JFK LGA".split()
DESTINATIONS = """
    ABQ ACK ALB ANC ATL AUS AVL BDL BGR BHM BNA BOS BQN BTV BUF BUR BWI BZN CAE CAK CHO CHS CLE CLT CMH CRW CVG DAY
    DCA DEN DFW DSM DTW EGE EYW FLL GRR GSO GSP HDN HNL HOU IAD IAH ILM IND JAC JAX LAS LAX LEX LGA LGB MCI MCO MDW
    MEM MHT MIA MKE MSN MSP MSY MTJ MVY MYR OAK OKC OMA ORD ORF PBI PDX PHL PHX PIT PSE PSP PVD PWM RDU RIC ROC RSW
    SAN SAT SAV SBN SDF SEA SFO SJC SJU SLC SMF SNA SRQ STL STT SYR TPA TUL TVC TYS XNA
""".split()

PLAIN = ["dep_delay", "distance", "temp", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
FEATURES = [*PLAIN, "departure_minute", "arrival_minute", "weekday", "carrier_code", "origin_code", "dest_code"]


def encode(flights: pandas.DataFrame) -> pandas.DataFrame:
    """Returns the features of flights, as 32-bit numbers; an unknown code is -1, a missing number stays missing."""
    features = flights[PLAIN].copy()
    features["departure_minute"] = minutes(flights["sched_dep_time"])
    features["arrival_minute"] = minutes(flights["sched_arr_time"])
    features["weekday"] = local_day(flights).dt.weekday
    features["carrier_code"] = codes(flights["carrier"], CARRIERS)
    features["origin_code"] = codes(flights["origin"], ORIGINS)
    features["dest_code"] = codes(flights["dest"], DESTINATIONS)
    return features[FEATURES].astype("float32")


def codes(column: pandas.Series, table: list[str]) -> pandas.Series:
    """Returns the place of each value in a table, -1 where it is not in it."""
    return column.map({code: number for number, code in enumerate(table)}).fillna(-1)


def minutes(clock: pandas.Series) -> pandas.Series:
    """Returns the minute of the day of times written as numbers: 1730 is half past five in the afternoon."""
    return clock // 100 * 60 + clock % 100


def local_day(flights: pandas.DataFrame) -> pandas.Series:
    """Returns the day in New York on which each flight was to leave."""
    return pandas.to_datetime(flights[["year", "month", "day"]])
