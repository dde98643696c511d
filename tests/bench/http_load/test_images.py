from bench.http_load.images import jpeg, jpeg_of
from core.images.inspection import inspect


def test_a_picture_comes_near_the_bytes_it_may_have():
    data = jpeg_of((400, 300), 20_000)
    assert 15_000 < len(data) <= 20_000
    assert inspect(data).width == 400


def test_pictures_are_the_same_each_time():
    assert jpeg((64, 64), quality=80) == jpeg((64, 64), quality=80)
