"""What the made-up shop of the demo sells: products in groups that a person recognises as belonging together.

Out: `GROUPS` and `PRODUCTS`. A product that stands in two groups under one title belongs to both.
"""

import re
from dataclasses import dataclass

# name | category | season; below it the products, the best sellers first: title, price, * = used up and bought again
_TABLE = """
tea | Kitchen | all
 Earl Grey tea 4.50*, Glass teapot 24.90, Green sencha tea 6.20*, Tea strainer 5.90, Sugar bowl 9.90,
 Porcelain tea cups 28.00, Linen tea towel 7.50, Rooibos tea 4.80*, Milk jug 11.50, Tea cosy 14.90,
 Honey dipper 4.20, Cast iron teapot 49.00
coffee | Kitchen | all
 Espresso beans 12.90*, Paper coffee filters 3.20*, Hand coffee grinder 34.90, Pour-over dripper 18.50,
 Moka pot 27.90, Decaf coffee beans 13.50*, Milk frother 16.90, Espresso cups 21.00, Gooseneck kettle 45.00,
 Coffee canister 15.90
baking | Kitchen | winter
 Vanilla sugar 2.90*, Cookie cutters 8.90, Baking paper 3.50*, Rolling pin 14.50, Springform tin 17.90,
 Baking powder 1.90*, Dark baking chocolate 3.90*, Muffin tin 15.90, Pastry brush 6.50, Kitchen scale 22.90,
 Proofing basket 19.90, Piping bags 4.90*
barbecue | Garden | summer
 Charcoal 11.90*, Firelighters 4.50*, Barbecue tongs 12.90, Kettle grill 129.00, Smoked paprika rub 5.90*,
 Grill brush 9.50, Meat thermometer 19.90, Barbecue apron 17.50, Cedar planks 13.90*, Grill basket 15.50
camping | Outdoors | summer
 Two-person tent 149.00, Gas cartridge 6.90*, Camping stove 39.90, Head torch 24.90, Sleeping mat 44.90,
 Sleeping bag 79.00, Enamel mug 8.90, Tent pegs 7.50, Folding camp chair 32.90, Freeze-dried curry 7.90*,
 Camp cooking pot 26.50, Mosquito coil 4.90*
hiking | Outdoors | summer
 Hiking socks 16.90, Trekking poles 54.90, Blister plasters 5.50*, Water bottle 18.90, Day backpack 69.00,
 Rain jacket 89.00, Trail map 11.90, Energy bars 9.90*, Gaiters 29.90, Compass 21.50, Head torch 24.90
cycling | Sport | summer
 Inner tube 6.90*, Chain oil 8.50*, Bicycle lights 29.90, Cycling gloves 22.90, Tyre levers 4.90,
 Bicycle helmet 64.90, Mini pump 24.50, Puncture repair kit 5.90*, Saddle bag 27.90, Bicycle lock 39.90,
 Bicycle bell 9.90
running | Sport | spring
 Running socks 12.90, Energy gel 2.20*, Running cap 19.90, Reflective vest 16.50, Running belt 23.90,
 Electrolyte tablets 7.90*, Foam roller 26.90, Running gloves 17.90, Compression sleeves 24.90
yoga | Sport | winter
 Yoga mat 39.90, Yoga block 9.90, Yoga strap 8.50, Incense sticks 4.90*, Meditation cushion 42.00,
 Massage oil 12.90*, Singing bowl 36.90, Bolster 48.00, Mat cleaner 8.90*
writing | Stationery | all
 Dotted notebook 14.90*, Fountain pen 32.00, Blue-black ink 11.90*, Ink cartridges 4.50*, Blotting paper 5.90*,
 Writing paper 12.50*, Wax seal set 24.90, Linen envelopes 8.90*, Pen case 19.90, Desk blotter 29.00
painting | Hobby | winter
 Watercolour paper 13.90*, Watercolour set 34.90, Round brush 8.90, Masking fluid 7.50*, Sketchbook 11.50*,
 Flat brush 9.50, Water brush 6.90, Table easel 39.90, Palette 10.90, Graphite pencils 12.90*
knitting | Hobby | winter
 Merino yarn 8.90*, Knitting needles 9.90, Cotton yarn 5.50*, Stitch markers 4.50, Sock yarn 10.90*,
 Darning needles 3.90, Circular needles 12.90, Yarn bowl 26.90, Row counter 5.90, Project bag 18.50
vegetables | Garden | spring
 Tomato seeds 2.90*, Seed compost 6.90*, Seed trays 9.50, Basil seeds 2.50*, Watering can 19.90, Plant labels 3.90*,
 Courgette seeds 2.90*, Tomato fertiliser 8.50*, Bamboo canes 7.90, Garden twine 4.50*, Mini greenhouse 39.90
roses | Garden | spring
 Rose fertiliser 9.90*, Secateurs 28.90, Garden gloves 12.50, Climbing rose 22.90, Bark mulch 8.90*,
 Rose trellis 34.90, Shrub rose 19.90, Aphid spray 10.50*, Kneeling pad 13.90
lights | Home | winter
 Fairy lights 14.90, Beeswax candles 12.90*, Scented candle 16.90*, Candle holder 11.50, Tea lights 4.90*,
 Candle snuffer 8.90, Window star 24.90, Lantern 29.90, Matches in a jar 6.50*, Pine wreath 27.50*
gift wrap | Home | winter
 Wrapping paper 4.90*, Satin ribbon 3.50*, Gift tags 2.90*, Washi tape 4.50*, Gift boxes 9.90*, Tissue paper 3.20*,
 Greeting cards 7.90*, Raffia string 3.90*
beach | Outdoors | summer
 Beach towel 24.90, Sun cream 13.90*, Beach tent 44.90, Snorkel set 34.90, Cool bag 27.90, Beach ball 7.90,
 Sand toys 12.90, Sun hat 19.90, After-sun lotion 9.90*, Dry bag 18.50
bath | Home | winter
 Olive soap 4.90*, Bath salts 8.90*, Cotton towel 22.90, Bath brush 12.50, Shower oil 9.50*, Sponge 4.50*,
 Soap dish 9.90, Bath mat 24.90, Body butter 13.90*
dogs | Pets | all
 Dog biscuits 6.90*, Waste bags 4.50*, Dog lead 19.90, Chew toy 9.90, Dog bed 59.00, Dog shampoo 8.90*,
 Food bowl 12.90, Dental sticks 5.90*, Dog collar 16.90, Dog towel 14.50
cats | Pets | all
 Cat litter 9.90*, Cat treats 3.90*, Scratching post 44.90, Catnip mouse 5.50, Litter scoop 4.90,
 Salmon cat food 11.90*, Feather wand 7.90, Cat basket 34.90, Drinking fountain 39.90
baby | Family | all
 Nappies 18.90*, Baby wipes 3.50*, Muslin cloths 14.90, Baby lotion 7.90*, Feeding bottle 9.90, Teething ring 8.50,
 Bath thermometer 6.90, Sleeping sack 34.90, Night light 21.90
games | Family | winter
 Card game 9.90, Strategy board game 39.90, Jigsaw 1000 pieces 16.90, Dice set 7.50, Family quiz 24.90,
 Card sleeves 4.90*, Dice tower 22.90, Wooden domino 18.50, Puzzle mat 29.90
"""
_PRODUCT = re.compile(r"(?P<title>.+) (?P<price>\d+\.\d\d)(?P<again>\*?)")


@dataclass(frozen=True, slots=True)
class ShopProduct:
    """Something the shop sells."""

    product_id: str
    title: str
    category: str
    price: float
    used_up: bool  # bought again and again


@dataclass(frozen=True, slots=True)
class Group:
    """Products that are bought together."""

    name: str
    season: str  # all, spring, summer or winter
    products: tuple[str, ...]  # product ids, the best sellers first


def _read(table: str) -> tuple[dict[str, ShopProduct], dict[str, Group]]:
    products: dict[str, ShopProduct] = {}
    groups: dict[str, Group] = {}
    for block in re.split(r"\n(?=\S)", table.strip()):
        head, _, body = block.partition("\n")
        name, category, season = (part.strip() for part in head.split("|"))
        sold = [_product(text.strip(), category) for text in body.replace("\n", " ").rstrip(", ").split(",")]
        groups[name] = Group(name, season, tuple(product.product_id for product in sold))
        products |= {product.product_id: product for product in sold if product.product_id not in products}
    return products, groups


def _product(text: str, category: str) -> ShopProduct:
    found = _PRODUCT.fullmatch(text)
    assert found, text
    product_id = re.sub(r"[^a-z0-9]+", "-", found["title"].lower())
    return ShopProduct(
        product_id=product_id,
        title=found["title"],
        category=category,
        price=float(found["price"]),
        used_up=bool(found["again"]),
    )


PRODUCTS, GROUPS = _read(_TABLE)
