"""English word material of `newsroom`: names and words of opinion. Templates: `newsroom_en_text`.

Which split may use a word, `newsroom.portion` decides. No word of opinion begins with a silent h
or with a u spoken "you": "a" or "an" goes by the first letter.
"""

from tl.data.newsroom_forms import listed

FORMS = ("base",)  # English words have one form; the Russian ones have cases

# Names of two kinds (Jordan) stay out of the plain lists of surnames, places and organisations:
# they are used only where the sentence, or a first name, tells the kind.
FIRST_NAMES = {  # by gender, which Russian surnames show
    "any": listed(
        "James, Mary, Robert, Patricia, Michael, Linda, David, Barbara, William, Elizabeth, "
        "Richard, Susan, Joseph, Jessica, Thomas, Sarah, Daniel, Karen, Matthew, Nancy, "
        "Anthony, Lisa, Mark, Margaret, Steven, Sandra, Paul, Ashley, Andrew, Emily, Joshua, "
        "Michelle, Kenneth, Amanda, Kevin, Melissa, Brian, Deborah, George, Stephanie, Timothy, "
        "Rebecca, Ronald, Laura, Edward, Helen, Jason, Cynthia, Jeffrey, Amy, Ryan, Angela, "
        "Jacob, Anna, Gary, Ruth, Nicholas, Brenda, Eric, Pamela, Jonathan, Nicole, Stephen, "
        "Katherine, Larry, Samantha, Justin, Christine, Scott, Emma, Brandon, Catherine, "
        "Benjamin, Rachel, Samuel, Carolyn, Gregory, Janet, Ahmed, Maria, Pedro, Fatima, "
        "Hiroshi, Ingrid, Pierre, Giulia, Sven, Priya, Carlos, Elena, Jordan, Sydney, Florence, "
        "Chelsea, Austin, Georgia, Victoria, Charlotte, Madison, Carolina"
    )
}
SURNAMES = {
    "any": listed(
        "Smith, Johnson, Williams, Jones, Miller, Davis, Garcia, Rodriguez, Wilson, Martinez, "
        "Anderson, Taylor, Hernandez, Thompson, White, Lopez, Gonzalez, Harris, Clark, Lewis, "
        "Robinson, Walker, Perez, Allen, Sanchez, Wright, Scott, Nguyen, Adams, Nelson, Baker, "
        "Campbell, Mitchell, Roberts, Carter, Phillips, Evans, Turner, Torres, Parker, Collins, "
        "Edwards, Stewart, Flores, Morris, Murphy, Cook, Rogers, Peterson, Cooper, Reed, "
        "Bailey, Kelly, Ramirez, Watson, Brooks, Sanders, Bennett, Gray, Hughes, Myers, "
        "Sullivan, Russell, Ortiz, Jenkins, Perry, Butler, Barnes, Fisher, Henderson, Coleman, "
        "Simmons, Patterson, Reynolds, Alexander, Griffin, Hayes, Gibson, Marshall, Murray, "
        "Freeman, Webb, Tucker, Stevens, Khan, Patel, Kowalski, Schmidt, Müller, Rossi, "
        "Larsson, Tanaka, Suzuki, Ivanov, Novak, Silva"
    ),
}
SURNAMES_OF_TWO_KINDS = {
    "any": listed(
        "Washington, Lincoln, Houston, Jackson, Hamilton, Wellington, Ford, Morgan, Dell, "
        "Disney, Jordan, Austin, Bolton, Burton, Lancaster, Preston, Sheffield, Kingston, "
        "Clinton, Cleveland, Dallas, Chrysler, Heinz, Cadbury, Armani, Versace, Honda"
    )
}
PLACES = listed(
    "London, Paris, Berlin, Madrid, Rome, Vienna, Prague, Warsaw, Budapest, Lisbon, Dublin, "
    "Oslo, Stockholm, Helsinki, Copenhagen, Brussels, Amsterdam, Athens, Moscow, Kyiv, "
    "Istanbul, Ankara, Cairo, Nairobi, Lagos, Accra, Casablanca, Tunis, Johannesburg, "
    "Cape Town, Tokyo, Osaka, Kyoto, Seoul, Beijing, Shanghai, Hong Kong, Singapore, Bangkok, "
    "Jakarta, Manila, Hanoi, Mumbai, New Delhi, Karachi, Tehran, Baghdad, Melbourne, Brisbane, "
    "Auckland, Toronto, Montreal, Vancouver, New York, Chicago, Boston, Miami, Seattle, Denver, "
    "Detroit, Los Angeles, San Francisco, San Diego, Philadelphia, Atlanta, Mexico City, Lima, "
    "Bogota, Santiago, Buenos Aires, Havana, Caracas, Montevideo, Manchester, Glasgow, "
    "Edinburgh, Cardiff, Belfast, Leeds, Bristol, Munich, Hamburg, Frankfurt, Cologne, Lyon, "
    "Marseille, Milan, Naples, Turin, Venice, Seville, Valencia, Geneva, Zurich, Germany, "
    "France, Spain, Italy, Poland, Sweden, Norway, Finland, Denmark, Portugal, Greece, Turkey, "
    "Egypt, Kenya, Nigeria, Ghana, Morocco, Japan, China, India, Vietnam, Thailand, Indonesia, "
    "Australia, Canada, Brazil, Ljubljana, Zagreb, Sarajevo, Tbilisi, Yerevan, Baku, Tashkent, "
    "Kathmandu, Dhaka, Colombo, Kampala, Kigali, Dakar, Luanda, Harare, Maputo, Tallinn, Riga, "
    "Vilnius, Reykjavik, Bergen, Tampere, Ghent, Bruges, Graz, Salzburg, Basel, Lausanne, "
    "Porto, Granada, Malaga, Palermo, Genoa, Santa Barbara, San Antonio, Fort Worth, "
    "Salt Lake City, Quebec, Ottawa, Perth, Adelaide, Argentina, Chile, Peru, Colombia, Cuba, "
    "Ireland, Scotland, Wales, Iceland, Hungary, Austria"
)
PLACES_OF_TWO_KINDS = listed(
    "Jordan, Sydney, Florence, Chelsea, Austin, Georgia, Victoria, Charlotte, Madison, "
    "Carolina, Washington, Lincoln, Houston, Jackson, Hamilton, Wellington, Phoenix, Liverpool, "
    "Barcelona, Santander, Bolton, Burton, Lancaster, Preston, Sheffield, Kingston, Clinton, "
    "Cleveland, Dallas, Sunderland, Monaco"
)
ORGANISATIONS = listed(
    "Microsoft, Google, Apple, Facebook, Twitter, Netflix, Intel, IBM, Oracle, Cisco, Nvidia, "
    "Samsung, Sony, Toshiba, Panasonic, Nokia, Ericsson, Siemens, Bosch, Philips, Toyota, "
    "Nissan, Mazda, Volkswagen, BMW, Daimler, Renault, Peugeot, Fiat, Ferrari, Volvo, Hyundai, "
    "Tesla, Boeing, Airbus, Lufthansa, Ryanair, Air France, Qantas, British Airways, "
    "Emirates, FedEx, Walmart, Tesco, Carrefour, Ikea, Nestle, Unilever, Danone, Heineken, "
    "Starbucks, Pepsi, Nike, Adidas, Puma, Gucci, Prada, Goldman Sachs, Barclays, HSBC, "
    "Deutsche Bank, Credit Suisse, Citigroup, Visa, Mastercard, Allianz, Pfizer, Bayer, "
    "Novartis, Roche, AstraZeneca, Merck, ExxonMobil, Chevron, BP, Shell, Gazprom, Petrobras, "
    "Vodafone, Verizon, Comcast, BBC, CNN, Reuters, Bloomberg, NASA, UNESCO, UNICEF, Interpol, "
    "FIFA, UEFA, NATO, Greenpeace, Oxfam, Amnesty International, Red Cross, Harvard, Stanford, "
    "Yale, Arsenal, Juventus, Bayern Munich, Real Madrid, Ajax, Uber, Airbnb, Spotify, Huawei, "
    "Alibaba, Lockheed Martin, Morgan Stanley, Wells Fargo, Ralph Lauren, Philip Morris, "
    "Hugo Boss, Louis Vuitton, Christian Dior, John Deere, Estee Lauder, Ernst Young, "
    "Warner Brothers, Rolls Royce, Aston Martin, Merrill Lynch, Bank of America, "
    "Bank of England, Singapore Airlines, Kenya Airways, China Mobile, Japan Tobacco, "
    "Chicago Bulls, Boston Celtics, Toronto Raptors, Seattle Times, Manchester United, "
    "Leeds United, Inter Milan, Paris Match, Berlin Philharmonic, Caterpillar, Kodak, Xerox, "
    "Hitachi, Canon, Nintendo, Lego"
)
ORGANISATIONS_OF_TWO_KINDS = listed(
    "Amazon, Phoenix, Chelsea, Liverpool, Barcelona, Santander, Ford, Morgan, Dell, Disney, "
    "Chrysler, Heinz, Cadbury, Armani, Versace, Honda, Bolton, Preston, Sunderland, "
    "Monaco"
)

ADJECTIVES = {
    "positive": listed(
        "excellent, brilliant, superb, wonderful, magnificent, outstanding, impressive, "
        "delightful, splendid, marvellous, fantastic, terrific, fabulous, glorious, admirable, "
        "remarkable, exceptional, exemplary, flawless, perfect, stunning, dazzling, inspiring, "
        "uplifting, refreshing, encouraging, promising, rewarding, satisfying, pleasing, "
        "charming, enjoyable, elegant, graceful, beautiful, lovely, amazing, astonishing, "
        "incredible, thrilling, exciting, captivating, enchanting, memorable, triumphant, "
        "successful, beneficial, fruitful, profitable, valuable, helpful, generous, thoughtful, "
        "clever, ingenious, sensible, wise, skilful, masterful, polished, robust, reliable, "
        "efficient, commendable, praiseworthy, welcome, laudable, great, good, fine, sublime, "
        "breathtaking, heartwarming, joyful, phenomenal, spectacular, faultless, fortunate, "
        "favourable, reassuring, gratifying, popular"
    ),
    "negative": listed(
        "terrible, dreadful, awful, horrible, dismal, appalling, atrocious, abysmal, "
        "disappointing, poor, bad, lousy, miserable, pathetic, shameful, disgraceful, "
        "deplorable, lamentable, disastrous, catastrophic, calamitous, ruinous, harmful, "
        "damaging, dangerous, reckless, careless, clumsy, sloppy, shoddy, flawed, faulty, "
        "defective, inept, incompetent, foolish, stupid, absurd, ridiculous, senseless, "
        "pointless, worthless, wasteful, costly, frustrating, annoying, irritating, "
        "infuriating, depressing, gloomy, bleak, dreary, dull, boring, tedious, tiresome, "
        "lifeless, forgettable, mediocre, inadequate, insufficient, embarrassing, humiliating, "
        "painful, unpleasant, ugly, nasty, vile, cruel, unfair, scandalous, outrageous, "
        "alarming, worrying, troubling, regrettable, wretched, inferior, chaotic, messy, "
        "misguided, hopeless"
    ),
    "neutral": listed(
        "annual, monthly, weekly, regional, national, local, preliminary, provisional, "
        "temporary, permanent, technical, digital, internal, external, initial, formal, "
        "administrative, federal, municipal, statistical, routine, seasonal, regular, standard, "
        "typical, partial, central, short, long, joint, public, private, daily, early, late, "
        "bilateral, indoor, outdoor, written, verbal, printed, electronic, commercial, legal, "
        "domestic, foreign, international, scheduled, planned, recent, quarterly, procedural"
    ),
}
NOUNS = {
    "positive": listed(
        "triumph, success, masterpiece, delight, blessing, breakthrough, treat, joy, gem, "
        "marvel, victory, milestone, boon, bonanza, revelation, feast, pleasure, inspiration, "
        "sensation, achievement, miracle, godsend, treasure, win"
    ),
    "negative": listed(
        "failure, disaster, fiasco, debacle, catastrophe, mess, flop, disgrace, blunder, "
        "scandal, setback, nightmare, shambles, tragedy, farce, letdown, mistake, defeat, "
        "calamity, travesty, embarrassment, humiliation, mockery, shame"
    ),
    "neutral": listed(
        "formality, draft, survey, summary, preview, procedure, rehearsal, gathering, transition, "
        "sequel, prologue, continuation, exchange, extension, introduction, repetition, sample, "
        "routine, review, stage, step, episode, interval, variant"
    ),
}
VERBS = {
    "positive": listed(
        "delighted, pleased, impressed, thrilled, charmed, inspired, amazed, encouraged, "
        "cheered, heartened, reassured, dazzled, excited, enchanted, captivated, satisfied, "
        "comforted, energised, uplifted, gladdened"
    ),
    "negative": listed(
        "disappointed, angered, annoyed, dismayed, alarmed, frustrated, outraged, irritated, "
        "offended, saddened, horrified, disgusted, depressed, shocked, appalled, enraged, "
        "insulted, discouraged, embarrassed, worried"
    ),
    "neutral": listed(
        "informed, reached, involved, included, addressed, covered, counted, listed, "
        "registered, contacted, surveyed, notified, mentioned, invited, identified, occupied, "
        "summoned, consulted, questioned"
    ),
}
