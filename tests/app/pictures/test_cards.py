from app.pictures.cards import draw_grouping
from tests.app.pictures.pictures import texts


def grouping(*sizes, families=1):
    names = [[f"c{index}_{place}" for place in range(size)] for index, size in enumerate(sizes)]
    return {
        "model": "model_1",
        "categories": [
            {"index": index, "name": f"category_{index}", "features": own} for index, own in enumerate(names)
        ],
        "features": [
            {
                "name": name,
                "family": f"family_{place % families}",
                "category": 0,
                "confidence": 1 - 0.4 * place,
            }
            for own in names
            for place, name in enumerate(own)
        ],
    }


def test_a_card_names_its_features_and_the_shares_that_are_low():
    shown = texts(draw_grouping(grouping(2)))
    assert shown == ["model_1: 1 categories, 2 features", "category_0", "2", "c0_0", "c0_1", "60%"]


def test_large_groupings_are_cut_and_say_so():
    drawing = draw_grouping(grouping(*[50] * 200))
    shown = texts(drawing)
    assert shown[0] == "model_1: the first 60 of 200 categories, 10000 features"
    assert shown.count("and 44 more") == 60
    assert drawing.height < 3000


def test_an_emptied_category_keeps_its_card():
    assert "category_1" in texts(draw_grouping(grouping(3, 0)))


def test_families_have_colours_where_there_are_several():
    one, several = (draw_grouping(grouping(4, families=count)).to_svg() for count in (1, 2))
    assert "#c4501b" in several
    assert "#c4501b" not in one
