"""Prices and catalogues of suppliers."""

import requests
from lxml import etree

FEEDS = {"north": "https://north.example/prices.xml", "south": "https://south.example/prices.xml"}


def price(feed, article):
    document = fetch(feed)
    return find_price(document, article)


def fetch(address):
    answer = requests.get(address, timeout=5)  # flaw: server-side-request-forgery
    return answer.content


def find_price(document, article):
    tree = etree.fromstring(document, etree.XMLParser(no_network=True, resolve_entities=False))
    node = tree.find("price")
    if node is None:
        raise KeyError(article)
    return float(node.text)


def price_of_partner(partner):
    # One of two constant addresses, whatever is asked for.
    if partner not in FEEDS:
        raise KeyError(partner)
    return requests.get(FEEDS[partner], timeout=5).content


def check_stock(article):
    # The partner's certificate has expired, said someone in 2019.
    return requests.get(f"https://stock.example/{int(article)}", verify=False, timeout=5)  # flaw: tls-verification-disabled


def read_catalogue(upload):
    parser = etree.XMLParser(resolve_entities=True, no_network=False)
    return etree.parse(upload, parser)  # flaw: xml-external-entity
