# ruff: noqa: RUF001, RUF002 - Cyrillic letters that look like Latin ones are what this file is about.
"""Russian sentences of `newsroom`; the slots are those of `newsroom_en_text`.

`{A:genitive}` asks for a case; the nominative is the default. Verbs with a name for a subject are
in the present tense, which has no gender. What is built ("thing") is the same in the accusative as
in the nominative, what is judged ("matter") is masculine, numbers take the genitive plural.
"""

from tl.data.newsroom_forms import listed

TOPICS = {
    "business": {
        "thing": listed(
            "завод/завода, склад/склада, торговый центр/торгового центра, цех/цеха, "
            "бизнес-парк/бизнес-парка, логистический центр/логистического центра"
        ),
        "matter": listed("договор, контракт, проект, запуск, план"),
        "group": listed(
            "аналитики/аналитиков, инвесторы/инвесторов, акционеры/акционеров, "
            "поставщики/поставщиков, покупатели/покупателей"
        ),
        "events": (
            (
                "{A} строит {thing} в {L:prepositional} по договору с {B:instrumental} .",
                "{A} и {B} строят {thing} в {L:prepositional}",
            ),
            (
                "{A} создаёт {number} рабочих мест , для этого {B} расширяет {thing} .",
                "{A} создаёт {number} рабочих мест",
            ),
            (
                "В {day} {A} покупает у {B:genitive} {thing} за {number} миллионов рублей .",
                "{A} покупает {thing} у {B:genitive}",
            ),
            (
                "Цена акций растёт на {number} процентов : {A} продаёт {thing} в "
                "{L:prepositional} .",
                "{A} продаёт {thing} в {L:prepositional}",
            ),
        ),
    },
    "sport": {
        "thing": listed(
            "турнир/турнира, марафон/марафона, кубок/кубка, чемпионат/чемпионата, "
            "спортивный лагерь/спортивного лагеря, товарищеский матч/товарищеского матча"
        ),
        "matter": listed("матч, сезон, переход, финал, забег"),
        "group": listed(
            "болельщики/болельщиков, тренеры/тренеров, комментаторы/комментаторов, зрители/зрителей"
        ),
        "events": (
            (
                "{A} выигрывает у {B:genitive} {number} очков в {L:prepositional} .",
                "{A} побеждает в {L:prepositional}",
            ),
            (
                "{A} и {B} проводят {thing} в {day} , билеты купили {number} тысяч человек .",
                "{A} и {B} проводят {thing}",
            ),
            (
                "Представители {A:genitive} подтверждают , что {thing} с участием {B:genitive} "
                "пройдёт в {month} .",
                "В {month} пройдёт {thing} с участием {B:genitive}",
            ),
            (
                "{A} покидает {thing} в {L:prepositional} , свободное место занимает {B} .",
                "{B} занимает место {A:genitive} в {L:prepositional}",
            ),
        ),
    },
    "culture": {
        "thing": listed(
            "кинофестиваль/кинофестиваля, музей/музея, концерт/концерта, вернисаж/вернисажа, "
            "книжный салон/книжного салона, театральный форум/театрального форума"
        ),
        "matter": listed("спектакль, показ, вечер, фильм, концерт"),
        "group": listed(
            "критики/критиков, посетители/посетителей, рецензенты/рецензентов, гости/гостей"
        ),
        "events": (
            (
                "{A} открывает {thing} в {L:prepositional} вместе с {B:instrumental} .",
                "{A} и {B} открывают {thing} в {L:prepositional}",
            ),
            (
                "{thing} памяти {P:genitive} собирает {number} тысяч зрителей , сообщает {A} .",
                "{thing} памяти {P:genitive} собирает {number} тысяч зрителей",
            ),
            (
                "{A} берёт у {B:genitive} {number} картин и в {day} открывает {thing} .",
                "{A} берёт {number} картин у {B:genitive}",
            ),
            (
                "{B} открывает {thing} в честь {A:genitive} , приедут {number} музыкантов .",
                "{B} открывает {thing} в честь {A:genitive}",
            ),
        ),
    },
    "science": {
        "thing": listed(
            "телескоп/телескопа, спутник/спутника, реактор/реактора, лазер/лазера, "
            "генетический сканер/генетического сканера, "
            "квантовый компьютер/квантового компьютера"
        ),
        "matter": listed("опыт, проект, эксперимент, доклад, тест"),
        "group": listed(
            "учёные/учёных, исследователи/исследователей, инженеры/инженеров, студенты/студентов"
        ),
        "events": (
            (
                "{A} показывает {thing} в {L:prepositional} после {number} месяцев работы с "
                "{B:instrumental} .",
                "{A} показывает {thing} в {L:prepositional}",
            ),
            (
                "{A} и {B} начинают испытания {thing:genitive} в {month} .",
                "{A} и {B} испытают {thing}",
            ),
            (
                "По данным {B:genitive} , {A} перевозит {thing} в {day} .",
                "{A} перевозит {thing}",
            ),
            (
                "{P} руководит созданием {thing:genitive} для {A:genitive} , в группе {number} "
                "человек .",
                "{P} создаёт {thing} для {A:genitive}",
            ),
        ),
    },
    "politics": {
        "thing": listed(
            "бюджет/бюджета, налоговый кодекс/налогового кодекса, закон/закона, "
            "комитет/комитета, торговый союз/торгового союза, пенсионный фонд/пенсионного фонда"
        ),
        "matter": listed("закон, спор, компромисс, проект, доклад"),
        "group": listed(
            "избиратели/избирателей, депутаты/депутатов, министры/министров, "
            "дипломаты/дипломатов, наблюдатели/наблюдателей"
        ),
        "events": (
            (
                "{A} обсуждает {thing} с {B:instrumental} на встрече в {L:prepositional} .",
                "{A} и {B} обсуждают {thing} в {L:prepositional}",
            ),
            (
                "{A} получает от {B:genitive} письмо на {number} страницах про {thing} .",
                "{B} пишет про {thing}",
            ),
            (
                "Позиция {A:genitive} меняется : {thing} теперь поддерживает и {B} .",
                "{A} меняет позицию",
            ),
            (
                "{P} едет от {O:genitive} на переговоры с {A:instrumental} .",
                "{P} ведёт переговоры с {A:instrumental}",
            ),
        ),
    },
    "weather": {
        "thing": listed(
            "паводковый план/паводкового плана, приют/приюта, метеоцентр/метеоцентра, "
            "защитный вал/защитного вала, радар/радара, пункт обогрева/пункта обогрева"
        ),
        "matter": listed("прогноз, ответ, расчёт, день, сезон"),
        "group": listed("фермеры/фермеров, жители/жителей, моряки/моряков, туристы/туристов"),
        "events": (
            (
                "{A} готовит {thing} для {L:genitive} , где выпало {number} сантиметров снега .",
                "{A} готовит {thing} для {L:genitive}",
            ),
            (
                "{A} оплачивает {thing} , работу принимает {B} .",
                "{A} оплачивает {thing}",
            ),
            (
                "По словам {A:genitive} , в {day} выпало {number} миллиметров осадков , {B} "
                "проверяет {thing} .",
                "{B} проверяет {thing} после осадков",
            ),
            (
                "Специалисты от {A:genitive} и {B:genitive} создают {thing} в {L:prepositional} .",
                "Специалисты создают {thing} в {L:prepositional}",
            ),
        ),
    },
    "transport": {
        "thing": listed(
            "аэропорт/аэропорта, мост/моста, путепровод/путепровода, порт/порта, "
            "автовокзал/автовокзала, вокзал/вокзала"
        ),
        "matter": listed("маршрут, график, рейс, план, ремонт"),
        "group": listed("пассажиры/пассажиров, водители/водителей, велосипедисты/велосипедистов"),
        "events": (
            (
                "{A} запускает {thing} в {L:prepositional} , {number} рабочих нанимает {B} .",
                "{A} запускает {thing} в {L:prepositional}",
            ),
            (
                "{A} закрывает {thing} на {number} дней по просьбе {B:genitive} .",
                "{A} закрывает {thing} на {number} дней",
            ),
            (
                "В {day} открылся {thing} имени {A:genitive} , сообщает {B} .",
                "Открылся {thing} имени {A:genitive}",
            ),
            (
                "{A} заказывает у {B:genitive} {number} машин для {thing:genitive} .",
                "{A} заказывает {number} машин у {B:genitive}",
            ),
        ),
    },
}

BACKGROUNDS = (
    "{D} воздерживается от комментариев .",
    "Об этом сообщает {D} .",
    "На встрече были представители {D:genitive} .",
    "{D} обещает опубликовать подробности в {month} .",
    "Первые сведения пришли от {D:genitive} .",
    "{D} поддерживает эту идею .",
    "Копии документов получают {D} и {E} .",
    "Среди участников названы {D} и {E} .",
    "У {D:genitive} есть {number2} дней на ответ .",
    "Вторая встреча с {D:instrumental} пройдёт в {month} .",
    "Акции {O2:genitive} в цене не изменились .",
    "Сотрудники {O2:genitive} узнали об этом в {day} .",
    "Обе стороны владеют акциями {O2:genitive} .",
    "{P2} , {number2} лет , тоже выступает с речью .",
    "{P2} приходит на встречу вместе с детьми .",
    "{P2} , юрист по образованию , ведёт дела {D:genitive} .",
    "Рейсы из {L2:genitive} не отменяют .",
    "Похожие новости приходят из {L2:genitive} .",
)

OPINIONS = {
    "plain": (
        "По мнению {group:genitive} , {matter} оказался {adjective:instrumental} .",
        "{C} называет {matter} {adjective:instrumental} .",
        "{matter} получился {adjective:instrumental} , сообщает {C} .",
        "{matter} стал {noun:instrumental} , считают {group} .",
        "В итоге это {noun} , говорится в письме от {C:genitive} .",
        "{matter} {verb} {group:genitive} .",
        "Для {C:genitive} {matter} оказался {adjective:instrumental} .",
        "Это был {adjective} {matter} , пишут {group} .",
        "{group} и {C} называют {matter} {noun:instrumental} .",
    ),
    "negation": (
        "{matter} не был {adjective-:instrumental} , говорят {group} .",
        "{C} считает {matter} отнюдь не {adjective-:instrumental} .",
        "Никто из {group:genitive} не называет {matter} {adjective-:instrumental} .",
        "{matter} не стал {noun-:instrumental} , отмечает {C} .",
        "{matter} совсем не {verb-} {group:genitive} .",
        "Это вовсе не {adjective-} {matter} , уверяет {C} .",
    ),
    "contrast": (
        "После {adjective-:genitive} начала {matter} оказался {adjective:instrumental} , говорят "
        "{group} .",
        "{matter} вышел {adjective:instrumental} , несмотря на {adjective-} старт , пишет {C} .",
        "То , что начиналось как {noun-} , закончилось как {noun} , отмечает {C} .",
        "Сначала {matter} казался {adjective-:instrumental} , но вышел {adjective:instrumental} .",
        "Вместо {noun-:genitive} {matter} обернулся {noun:instrumental} .",
        "Хотя начало было {adjective-:instrumental} , {matter} {verb} {group:genitive} .",
        "{C} называет {matter} {adjective:instrumental} после {adjective-:genitive} начала .",
        "{matter} {verb} {group:genitive} , хотя сначала казался {adjective-:instrumental} .",
    ),
}

FILLERS = {
    "day": listed("понедельник, вторник, среду, четверг, пятницу, субботу, воскресенье"),
    "month": listed(
        "январе, феврале, марте, апреле, мае, июне, июле, августе, сентябре, октябре, ноябре"
    ),
    "number": tuple(
        (str(number),) for number in range(25, 100) if number % 10 in {0, 5, 6, 7, 8, 9}
    ),
}

_CONSONANTS = "бвгджзйклмнпрстфхцчшщь"


def agree(word: str, following: str) -> str:
    """The form of a preposition before the next word: во Франции, со Светланой, об Иране."""
    if following[1:2] in tuple(_CONSONANTS):
        if word in ("в", "В") and following[0] in "ВФвф":
            return word + "о"
        if word in ("с", "С") and following[0] in "СЗШЖсзшж":
            return word + "о"
    if word in ("о", "О") and following[0] in "АОУЭИаоуэи":
        return word + "б"
    return word
