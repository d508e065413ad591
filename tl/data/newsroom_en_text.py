"""English sentences of `newsroom`: words and slots, separated by spaces.

`{A}` to `{E}` take a name of any kind, `{P}` a person, `{O}` an organisation, `{L}` a place; a slot
keeps its value throughout an item, so a second place is `{L2}`. `{adjective}`, `{noun}`, `{verb}`
carry the item's sentiment, `{adjective-}` etc. its opposite. No sentence is kept for one sentiment,
and none contains a word of opinion.
"""

from tl.data.newsroom_forms import listed

# thing: what the report is about; matter: what is judged; group: who judges;
# events: pairs of a report and its summary, which keeps who did what, where.
TOPICS = {
    "business": {
        "thing": listed("factory, warehouse, data centre, shopping centre, research centre, depot"),
        "matter": listed("deal, contract, merger, launch, offer, agreement"),
        "group": listed("analysts, investors, shareholders, suppliers, customers"),
        "events": (
            (
                "{A} signed a contract with {B} on {day} to build a {thing} in {L} .",
                "{A} and {B} to build {thing} in {L}",
            ),
            (
                "{A} said on {day} that {number} jobs would move to a {thing} run by {B} .",
                "{A} moves {number} jobs to {B}",
            ),
            (
                "On {day} {A} bought a {thing} near {L} from {B} for {number} million dollars .",
                "{A} buys {thing} from {B}",
            ),
            (
                "{A} said that sales at a {thing} rose {number} percent after talks with {B} .",
                "{A} {thing} sales rise {number} percent",
            ),
            (
                "{A} asked {B} to lend {number} million dollars for a {thing} .",
                "{A} seeks {thing} loan from {B}",
            ),
        ),
    },
    "sport": {
        "thing": listed("tournament, marathon, cup tie, friendly match, regatta, training camp"),
        "matter": listed("match, season, transfer, performance, final, race"),
        "group": listed("fans, supporters, coaches, commentators, spectators"),
        "events": (
            (
                "{A} beat {B} by {number} points in a {thing} held in {L} on {day} .",
                "{A} beats {B} in {L} {thing}",
            ),
            (
                "{A} and {B} met on {day} in front of {number} thousand people at a {thing} .",
                "{A} meets {B} at {thing}",
            ),
            (
                "Officials from {A} confirmed that a {thing} with {B} would be played in {month} .",
                "{A} and {B} to play {thing} in {month}",
            ),
            (
                "{A} withdrew from a {thing} in {L} on {day} , and {B} took the free place .",
                "{B} replaces {A} at {L} {thing}",
            ),
        ),
    },
    "culture": {
        "thing": listed("film festival, photo exhibition, opera, concert, book fair, museum"),
        "matter": listed("show, premiere, exhibition, evening, programme, production"),
        "group": listed("critics, visitors, reviewers, listeners, guests"),
        "events": (
            (
                "{A} opened a {thing} in {L} on {day} together with {B} .",
                "{A} and {B} open {thing} in {L}",
            ),
            (
                "A {thing} about the childhood of {P} drew {number} thousand visitors to {L} .",
                "{P} {thing} draws {number} thousand to {L}",
            ),
            (
                "{A} lent {number} paintings to {B} for a {thing} on {day} .",
                "{A} lends {number} paintings to {B}",
            ),
            (
                "{B} dedicated a {thing} to {A} , and {number} artists will come in {month} .",
                "{B} dedicates {thing} to {A}",
            ),
        ),
    },
    "science": {
        "thing": listed("telescope, vaccine trial, climate model, laboratory, satellite, robot"),
        "matter": listed("experiment, study, project, trial, finding, test"),
        "group": listed("scientists, researchers, engineers, doctors, students"),
        "events": (
            (
                "{A} presented a {thing} in {L} on {day} after {number} months of work with {B} .",
                "{A} presents {thing} in {L}",
            ),
            (
                "{A} and {B} will share the data of a {thing} from {month} .",
                "{A} and {B} share {thing} data",
            ),
            (
                "A {thing} financed by {A} was moved to {L} on {day} , {B} reported .",
                "{A} {thing} moves to {L}",
            ),
            (
                "{A} asked {P} , {age} , to lead work on a {thing} .",
                "{P} to lead {A} {thing} work",
            ),
        ),
    },
    "politics": {
        "thing": listed("tax law, budget, trade treaty, pension bill, referendum, committee"),
        "matter": listed("reform, decision, vote, debate, proposal, compromise"),
        "group": listed("voters, deputies, ministers, diplomats, observers"),
        "events": (
            (
                "{A} and {B} discussed a {thing} at a meeting in {L} on {day} .",
                "{A} and {B} discuss {thing} in {L}",
            ),
            (
                "{A} sent {B} a letter of {number} pages about a {thing} on {day} .",
                "{A} writes to {B} about {thing}",
            ),
            (
                "The position of {A} on a {thing} changed on {day} after a visit to {B} .",
                "{A} changes position on {thing} after {B} visit",
            ),
            (
                "{P} left {O} on {day} to speak for {A} in talks on a {thing} .",
                "{P} leaves {O} to speak for {A}",
            ),
        ),
    },
    "weather": {
        "thing": listed(
            "weather station, flood shelter, storm shelter, rain gauge, radar mast, ice rink"
        ),
        "matter": listed("forecast, response, briefing, service, week, weekend"),
        "group": listed("farmers, residents, sailors, tourists, volunteers"),
        "events": (
            (
                "{A} promised {L} a {thing} on {day} as winds rose to {number} knots .",
                "{A} promises {thing} for {L}",
            ),
            (
                "A {thing} paid for by {A} will be handed to {B} in {month} .",
                "{A} hands {thing} to {B}",
            ),
            (
                "{A} told {B} that {number} millimetres of rain fell on {day} near a {thing} .",
                "{A} reports {number} millimetres of rain",
            ),
            (
                "Experts sent by {A} to {L} set up a {thing} and briefed {B} .",
                "{A} experts set up {thing} in {L}",
            ),
        ),
    },
    "transport": {
        "thing": listed("bus line, airport terminal, railway bridge, tram route, car park, ferry"),
        "matter": listed("route, timetable, journey, plan, opening, service"),
        "group": listed("passengers, drivers, commuters, cyclists, travellers"),
        "events": (
            (
                "{A} will run a {thing} in {L} from {month} with {number} workers hired by {B} .",
                "{A} to run {thing} in {L}",
            ),
            (
                "{A} closed a {thing} for {number} days on {day} at the request of {B} .",
                "{A} closes {thing} for {number} days",
            ),
            (
                "A {thing} named after {A} opened on {day} , said {B} .",
                "{thing} named after {A} opens",
            ),
            (
                "{A} ordered {number} vehicles from {B} for a {thing} near {L} .",
                "{A} orders {number} vehicles from {B}",
            ),
        ),
    },
}

BACKGROUNDS = (
    "{D} made no comment on {day} .",
    "{D} said so on {day} .",
    "Officials from {D} were present .",
    "{D} will publish the details in {month} .",
    "The news was first reported by {D} .",
    "{D} had welcomed the idea in {month} .",
    "Copies were sent to {D} and {E} .",
    "{D} and {E} were also named .",
    "{D} has {age} days to answer .",
    "A second meeting with {D} is set for {month} .",
    "Shares in {O2} did not move .",
    "The staff of {O2} was told on {day} .",
    "Both sides hold shares in {O2} .",
    "{P2} , {age} , also spoke .",
    "{P2} and two children were present .",
    "{P2} , a lawyer , took notes for {D} .",
    "Flights to {L2} were not affected .",
    "A second office in {L2} will follow .",
)

OPINIONS = {
    "plain": (
        "The {matter} was {adjective} , {group} said .",
        "{C} called the {matter} {adjective} .",
        "It was a {adjective} {matter} , according to {C} .",
        "Many {group} saw the {matter} as a {noun} .",
        "In the end it was a {noun} , {C} said .",
        "The {matter} {verb} {group} .",
        "News of the {matter} {verb} {C} .",
        "A {adjective} {matter} , {group} wrote .",
        "For {C} the {matter} proved {adjective} .",
        "{group} and {C} agreed that the {matter} was a {noun} .",
    ),
    "negation": (
        "The {matter} was not {adjective-} , {group} said .",
        "{C} said the {matter} was anything but {adjective-} .",
        "None of the {group} called the {matter} {adjective-} .",
        "It was not a {noun-} , {C} said .",
        "The {matter} has not {verb-} {group} .",
        "This was never a {adjective-} {matter} , {C} said .",
    ),
    "contrast": (
        "Despite a {adjective-} start , the {matter} was {adjective} , {group} said .",
        "The {matter} was {adjective} despite a {adjective-} start , {C} said .",
        "What began as a {noun-} ended as a {noun} , {C} said .",
        "First reports were {adjective-} , but the {matter} proved {adjective} .",
        "Once {adjective-} , the {matter} is now {adjective} , {group} said .",
        "{C} had expected a {noun-} but saw a {noun} .",
        "The {matter} {verb} {group} , although the start had {verb-} {C} .",
        "The {matter} ended as a {noun} after a {adjective-} beginning .",
    ),
}

FILLERS = {
    "day": listed("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"),
    "month": listed(
        "January, February, March, April, May, June, July, August, September, October, November"
    ),
    "number": tuple((str(number),) for number in range(2, 99)),
    "age": tuple((str(age),) for age in range(21, 80)),
}


def agree(word: str, following: str) -> str:
    """The form of a word before the next one: "a" or "an"."""
    if word in ("a", "A") and following[0].lower() in "aeiou":
        return word + "n"
    return word
