from bench import measuring, pipeline


def test_growth_is_since_the_data_as_they_are() -> None:
    one, many = ({"convert": measuring.Used(*took, "")} for took in ((10, 100), (110, 300)))
    seconds, memory = pipeline.growth(one, many)
    assert seconds == measuring.figure("convert, 10 x the data", "s", "<= 12", [110], [10])
    what = "convert, 10 x the data: memory"
    assert memory == measuring.figure(what, "MB", "<= 620 MB", [300], [100])
