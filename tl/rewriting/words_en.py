"""English words that rules and filters know: synonyms, contractions, negations, numbers."""

# Any word of a line may stand for any other, in the same form and without changing its neighbours.
SYNONYMS = """
big, large
quick, fast, rapid
quickly, rapidly
slowly, gradually
begins, starts
began, started
beginning, starting
finished, completed
buy, purchase
bought, purchased
help, assist
helped, assisted
helping, assisting
showed, demonstrated
try, attempt
tried, attempted
trying, attempting
think, believe
thinks, believes
talked, spoke
talking, speaking
often, frequently
always, constantly
sometimes, occasionally
maybe, perhaps
almost, nearly
really, truly
very, extremely
completely, totally, entirely
especially, particularly
suddenly, abruptly
currently, presently
also, additionally
however, nevertheless
until, till
among, amongst
happy, glad
sad, unhappy
scared, frightened
smart, clever
strange, odd, weird
beautiful, lovely
easy, simple
important, significant
rich, wealthy
tired, weary
wonderful, marvellous
awful, terrible, dreadful
huge, enormous
tiny, minuscule
calm, peaceful
stupid, foolish
funny, amusing
silent, quiet
whole, entire
various, different
child, kid
children, kids
people, folks
man, guy
woman, lady
friend, pal
friends, pals
car, automobile
road, street
shop, store
film, movie
picture, image
company, firm
companies, firms
boss, manager
answer, reply
answered, replied
error, mistake
errors, mistakes
chance, opportunity
idea, notion
trip, journey
story, tale
choice, option
choices, options
goal, aim
goals, aims
result, outcome
results, outcomes
problem, issue
problems, issues
area, region
areas, regions
choose, select
chose, selected
allow, permit
allowed, permitted
happen, occur
happens, occurs
happened, occurred
remember, recall
remembered, recalled
reveal, disclose
revealed, disclosed
announce, declare
announced, declared
build, construct
built, constructed
seem, appear
seems, appears
seemed, appeared
liked, enjoyed
hate, detest
hated, detested
cry, weep
crying, weeping
shout, yell
shouted, yelled
""".strip()

DISCOURSE = (
    "well, ", "so, ", "anyway, ", "you know, ", "by the way, ", "as it happens, ",
    "to begin with, ", "in fact, ", "actually, ", "mind you, ",
)  # fmt: skip
# A first word that is no name: it loses its capital behind a discourse marker.
OPENERS = frozenset(
    "the a an this that these those it he she we they there here in on at to for from with as by "
    "my your his her our their its when while if what who where why how is are was were do does "
    "did some many most all after before because although but and or so then".split()
)

# What is written together | what it stands for. Where the second is marked by *, only the first
# may be taken apart: put together, it would not fit everywhere ("what it is").
CONTRACTIONS = """
i'm | i am
you're | you are
we're | we are
they're | they are
i'll | i will
you'll | you will
we'll | we will
they'll | they will
don't | do not
doesn't | does not
didn't | did not
isn't | is not
aren't | are not
wasn't | was not
weren't | were not
haven't | have not
hasn't | has not
hadn't | had not
couldn't | could not
shouldn't | should not
wouldn't | would not
can't | cannot
won't | will not
i've | i have *
we've | we have *
you've | you have *
they've | they have *
let's | let us *
im | i am *
ive | i have *
dont | do not *
doesnt | does not *
didnt | did not *
isnt | is not *
wasnt | was not *
havent | have not *
couldnt | could not *
cant | cannot *
wont | will not *
""".strip()

NEGATIONS = frozenset(
    "not no never none nobody nothing nowhere neither nor cannot without hardly barely scarcely "
    "dont doesnt didnt isnt arent wasnt werent havent hasnt hadnt couldnt shouldnt wouldnt cant "
    "wont aint".split()
)
NUMBERS = {
    "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
}  # fmt: skip
