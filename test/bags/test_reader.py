"""Bags of both storages give their messages in order, and bad ones say what is wrong."""

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin

from asap_ros.bags import topics
from asap_ros.bags.reader import Bag, BagError
from asap_ros.bags.topic_names import TopicNames
from support import tiny_bags
from support.tiny_bags import DRIVE, PERIOD_NS, START_NS


def mcap(folder):
    return folder / f'{folder.name}.mcap'


def flip(file, at, count=40):
    data = bytearray(file.read_bytes())
    data[at : at + count] = bytes(b ^ 0xFF for b in data[at : at + count])
    file.write_bytes(data)


def stamps(bag, name='/camera/image_raw/compressed'):
    topic = next(t for t in bag.topics if t.name == name)
    return [(m.stamp_ns - START_NS) // PERIOD_NS for m in bag.messages(topic)]


@pytest.mark.parametrize('storage', list(StoragePlugin))
@pytest.mark.parametrize('as_file', [False, True])
def test_both_storages_as_folder_or_file(tmp_path, storage, as_file):
    path = tiny_bags.write(tmp_path / 'drive', storage=storage)
    path = next(p for p in path.iterdir() if p.suffix in ('.mcap', '.db3')) if as_file else path
    with Bag(path) as bag:
        assert bag.name == 'drive' and bag.damage is None
        assert [(t.name, t.count) for t in bag.topics] == [
            ('/camera/camera_info', 6),
            ('/camera/image_raw/compressed', 6),
            ('/reference/mask/compressed', 6),
            ('/tf_static', 1),
        ]
        messages = list(bag.messages(*bag.topics))
        assert len(messages) == 19
        assert [m.time_ns for m in messages] == sorted(m.time_ns for m in messages)
        assert stamps(bag) == [0, 1, 2, 3, 4, 5]


def test_the_bytes_are_those_that_were_recorded(tmp_path):
    with Bag(tiny_bags.write(tmp_path / 'drive', [tiny_bags.RAW], 1)) as bag:
        (message,) = bag.messages(*bag.topics)
    assert message.cdr == bytes(
        tiny_bags.STORE.serialize_cdr(tiny_bags.raw_image(0), 'sensor_msgs/msg/Image')
    )
    assert (message.value.data == tiny_bags.picture(0).ravel()).all()
    assert message.value.header.frame_id == 'camera_optical'


def test_only_the_topics_asked_for_are_read(tmp_path):
    with Bag(tiny_bags.write(tmp_path / 'drive')) as bag:
        image = topics.image_topic(bag)
        assert {m.topic.name for m in bag.messages(image, None)} == {image.name}
        assert list(bag.messages()) == []


def test_no_such_bag(tmp_path):
    with pytest.raises(BagError, match='no such bag: .*nowhere'):
        Bag(tmp_path / 'nowhere')


def test_a_folder_and_a_file_that_are_no_bag(tmp_path):
    (tmp_path / 'notes.txt').write_text('hello')
    with pytest.raises(BagError, match='neither metadata.yaml nor'):
        Bag(tmp_path)
    with pytest.raises(BagError, match='notes.txt is not a ROS 2 bag'):
        Bag(tmp_path / 'notes.txt')


def test_missing_metadata_names_the_file_to_give_instead(tmp_path):
    path = tiny_bags.write(tmp_path / 'drive')
    (path / 'metadata.yaml').unlink()
    with pytest.raises(BagError, match=r'no metadata.yaml.*drive\.mcap'):
        Bag(path)


@pytest.mark.parametrize(
    'storage, ending', [(StoragePlugin.MCAP, '.mcap'), (StoragePlugin.SQLITE3, '.db3')]
)
def test_a_file_of_rubbish_is_corrupt(tmp_path, storage, ending):
    path = tiny_bags.write(tmp_path / 'drive', storage=storage)
    (path / f'drive{ending}').write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(BagError, match='corrupt and not one message'):
        Bag(path)


@pytest.mark.parametrize('as_file', [False, True])
def test_a_file_cut_in_the_middle_gives_its_first_part(tmp_path, as_file):
    path = tiny_bags.write(tmp_path / 'drive', frames=12)
    data = mcap(path).read_bytes()
    mcap(path).write_bytes(data[: len(data) // 2])
    with Bag(mcap(path) if as_file else path) as bag:
        readable = stamps(bag)
        total = sum(t.count for t in bag.topics)
        assert 3 <= len(readable) < 12 and readable == list(range(len(readable)))
        assert f'{total} messages are readable' in bag.damage
        assert topics.image_topic(bag).count == len(readable)


def test_a_file_cut_at_any_place_never_fails_otherwise(tmp_path):
    path = tiny_bags.write(tmp_path / 'drive', frames=3)
    data = mcap(path).read_bytes()
    opened = 0
    for size in range(0, len(data), 97):
        mcap(path).write_bytes(data[:size])
        try:
            with Bag(path) as bag:
                opened += 1
                for message in bag.messages(*bag.topics):
                    assert message.value is not None
                assert bag.damage
        except BagError as error:
            assert 'corrupt' in str(error)
    assert opened > 5


def test_flipped_bytes_cost_one_chunk_and_no_message_twice(tmp_path):
    path = tiny_bags.write(tmp_path / 'drive', [tiny_bags.RAW], 8)
    data = mcap(path).read_bytes()
    record = data.rindex(
        b'\x05', 0, data.index(b'camera_optical', data.index(tiny_bags.picture(2).tobytes())) - 30
    )
    flip(mcap(path), record + 1, 8)  # the length of the record that holds frame 3
    with Bag(path) as bag:
        assert stamps(bag, '/camera/image_raw') == [0, 1, 2, 4, 5, 6, 7]
        assert '7 messages are readable' in bag.damage


def test_a_damaged_message_names_its_topic_and_time(tmp_path):
    with Bag(tiny_bags.write(tmp_path / 'drive', [tiny_bags.WORDS], 1)) as bag:
        (topic,) = bag.topics
        (message,) = bag.messages(topic)
    broken = type(message)(topic, message.time_ns, message.cdr[:6])
    with pytest.raises(BagError, match=r'/chatter at 1700000000\.000 s is not a std_msgs'):
        assert broken.value


def test_damaged_sqlite_says_how_far_it_was_read(tmp_path):
    large = ('/camera/image_raw', tiny_bags.IMAGE, lambda k: tiny_bags.raw_image(k, (64, 128)))
    path = tiny_bags.write(tmp_path / 'drive', [large], 20, StoragePlugin.SQLITE3)
    file = path / 'drive.db3'
    pages = range(file.stat().st_size // 4096)
    data = file.read_bytes()
    # Pages that continue a message begin with the next one's number; break such a chain.
    chained = [
        p
        for p in pages[10:]
        if data[4096 * p : 4096 * p + 3] == bytes(3) and data[4096 * p + 3] == p + 2
    ]
    flip(file, 4096 * chained[len(chained) // 2], 4)
    with Bag(path) as bag:
        frames = len(list(bag.messages(*bag.topics)))
        assert 0 < frames < 20
        assert f'reading ended after {frames} messages' in bag.damage


def test_a_split_recording_that_lost_a_file_is_read_in_the_order_of_its_numbers(tmp_path):
    path = tiny_bags.write(tmp_path / 'drive', [tiny_bags.RAW], 4)
    mcap(path).rename(path / 'drive_10.mcap')
    mcap(tiny_bags.write(tmp_path / 'other', [tiny_bags.RAW], 2)).rename(path / 'drive_2.mcap')
    with Bag(path) as bag:
        assert stamps(bag, '/camera/image_raw') == [0, 1, 0, 1, 2, 3]
        assert 'missing' in bag.damage and '6 messages are readable' in bag.damage


def test_the_camera_is_found_beside_its_masks(tmp_path):
    with Bag(tiny_bags.write(tmp_path / 'drive')) as bag:
        drive = topics.find(bag)
    assert drive.image.name == '/camera/image_raw/compressed' and drive.image.compressed
    assert drive.camera_info.name == '/camera/camera_info'
    assert drive.tf_static.name == '/tf_static'
    assert drive.reference.name == '/reference/mask/compressed'
    assert drive.reference_kind == 'predictions'


def test_raw_is_preferred_to_compressed_and_truth_to_predictions(tmp_path):
    truth = ('/ground_truth/mask/compressed', *tiny_bags.MASK[1:])
    with Bag(tiny_bags.write(tmp_path / 'drive', [*DRIVE, tiny_bags.RAW, truth])) as bag:
        drive = topics.find(bag)
        assert drive.image.name == '/camera/image_raw'
        assert drive.reference_kind == 'true labels'
        named = topics.find(
            bag, TopicNames(image='/camera/image_raw/compressed', reference='/reference/mask')
        )
        assert named.image.compressed and named.reference_kind == 'predictions'


def test_a_camera_without_references_has_none(tmp_path):
    with Bag(tiny_bags.write(tmp_path / 'drive', [tiny_bags.RAW])) as bag:
        drive = topics.find(bag)
    assert (drive.camera_info, drive.tf_static, drive.reference, drive.reference_kind) == (
        None,
        None,
        None,
        None,
    )


def test_a_bag_without_an_image_topic_lists_what_it_has(tmp_path):
    with Bag(tiny_bags.write(tmp_path / 'drive', [tiny_bags.WORDS, tiny_bags.INFO])) as bag:
        with pytest.raises(BagError, match='no image topic; it has .*camera_info.*/chatter'):
            topics.find(bag)


def test_a_bag_with_an_empty_image_topic(tmp_path):
    with Bag(tiny_bags.write(tmp_path / 'drive', frames=0)) as bag:
        with pytest.raises(BagError, match='not one image: /camera/image_raw/compressed'):
            topics.find(bag)


def test_only_masks_are_no_camera(tmp_path):
    with Bag(tiny_bags.write(tmp_path / 'drive', [tiny_bags.MASK])) as bag:
        with pytest.raises(BagError, match='looks like a camera.*/reference/mask'):
            topics.find(bag)


def test_two_cameras_must_be_told_apart(tmp_path):
    two = [('/left/image_raw', *tiny_bags.RAW[1:]), ('/right/image_raw', *tiny_bags.RAW[1:])]
    with Bag(tiny_bags.write(tmp_path / 'drive', two)) as bag:
        with pytest.raises(BagError, match='more than one camera.*/left/.*/right/'):
            topics.find(bag)
        assert (
            topics.find(bag, TopicNames(image='/right/image_raw')).image.name == '/right/image_raw'
        )
        with pytest.raises(BagError, match='no image topic /middle.*/left/image_raw'):
            topics.find(bag, TopicNames(image='/middle'))
    calibrated = [*two, ('/right/camera_info', *tiny_bags.INFO[1:])]
    with Bag(tiny_bags.write(tmp_path / 'calibrated', calibrated)) as bag:
        assert topics.find(bag).image.name == '/right/image_raw'


def test_a_reference_that_is_not_there(tmp_path):
    with Bag(tiny_bags.write(tmp_path / 'drive')) as bag:
        with pytest.raises(BagError, match='no reference topic /other/mask'):
            topics.find(bag, TopicNames(reference='/other/mask'))
