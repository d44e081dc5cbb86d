"""Files that HDF5 crashes on, or never comes back from: another process finds out."""

import base64
import os
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from helixer_ft.errors import InputError
from helixer_ft.formats import hdf5_check, hdf5_walker
from helixer_ft.formats.hdf5 import find, open_hdf5
from helixer_ft.formats.hdf5_check import Walker

# Found by changing bits of sound files. In the first the names are texts of two megabytes, of
# which 50 bytes are there: HDF5 1.14 reads, and crashes on, what lies behind them in memory. In the
# second it goes in circles.
CRASH = (
    "c-rlpO>YuG7{_Oqw*`XG7#h&naPUA<56D3|X`4XBmnbQkU`)gfy9!Bdv0&7jNBstVgnkST9z1CEXguk`#G^M49_sGS"
    "49jji3z2Q5^8X!pc6OfG+3Y-h_&-D8b+x>fh@FZN6Gb6Gk|Lw*F&g)rZQlQYS&7+K%<jniykzxd*!cx^eYfB3^-9I`"
    "-gCj{`5K~DAz&V<R#t1KZLl_v(s#1cPgDEqXgpS@oL3aT)c|d`LzBgCNpapcnD6)<=F5=NkN3Y|wx>SsZs^TtdgoEQ"
    "-!t0!la6NEuHNeCJ<{nl)y>VVzS`F{(_i1-ZqhM5Ykd9Yt+E-xJa6U#&iUPO3`BV#OrM#=+a+oP^aM{sVP=EOip~d&"
    "jAD*l$R(Liio`-BmSp`QW5vvVIUrjT#7WL-OT+mUD>G^O!wqBYhu2jMKkNE(@MY9q>M)ynBwLoIdLA^cBEz`KN5;fI"
    "vzc{oKYmxA$0Tl^k5kLuetG_Pb-~-O!0emL-hMoP56<`#SLXYMWGsvOeIqg9_(7W5ge$Lz_>gwTwRhYC00000003r("
    "=l5F$H5Zl1(?al@yP>^3L8LOtx(<Ve=s!&&j>GG_`J$FHD#pr3X=`6|dH20Oh>@jV(luA36*OxF+2a6f1ONa4_>KSj"
    "(kbgwDTQB>?(q7sAN^^GyW0EFBiofLzB~`nerkNe@n6{fXq?zL>&5p8_fsW=DgXcg0002Tpq`@tK_bZq*HiAc|MgRb"
    ")lY%kIcNREMm7%hdHiiX^>e~H>i3xX33U?y0002Man;dO$4Zh@N6SOqO!e_e<E3b5<LULX+`ec_$fA8`-GA~tL^?Vt"
    "@DDFin-u8a^y0y~xropM0002yQa@#hAN!5+&WbH9va_n6MBkG;%k+`xdvWIl`YDUh0{{R3=14!~>F>PAWZ&nvYpXZv"
    "6-$HMsc^C2gTDH4)s`M3@}zd8`Y9^#zr^%WRG^=(2=o&^uLS@A0HB`^Q9tGDGpwI#WAxKq=qCUG0N}sl52pJt6a"
)
CIRCLE = (
    "c-rk4+iu%7RCb!d2v#%!_R#go&~qBtNgmccwQJI5K-LUx1`IO{jh1McD@AG~)ujvkzWu<yVV|&1*k5%#B&A4-WIOFT"
    "V2GI@1kX7<_Y0NZPmZ45-FmR)!RqzAJKnZeUhmwx|Dbx#@jtq~<M!X&{%1FbZy4Nt2j6!5FE;IY=HTZqkB@=+U2WxZ"
    "26yb<^VaJ&u9M>@-@^XAJLmcIcehHH3LKG85zb^KFCV|B+>W<td35sg7k1yUfL#11Zg*+g3g6J0!_A%kJx8<cZEbp6"
    "_Z)sxXE@-y-EPO`yR}q{>s2c*U$g%-4zFIE9d*1y8Lz*w&dv8(JFXAb`{k$JiOaLQ-e=m&36C%hLe8cn2KeWlj=8yA"
    "q-3v>=YQ<z4Cz&S@_MaT>pJ|nKhK|@okAY|wezoN+xJaD_`7{y2}Bs0Q0#x%S0ck2MA2I;q&|->{g5Il1BMd7`(Lv("
    "Q>TE2tG1jp{L-Hw70v<z=s?a;3e+Q(QM%i=e-Fp{LZsdrj6bCuse^rBB2y$J0H=sbkS<Uh<ERA4g(q53E5e^QgEf?}"
    "3C~y*Fm0bPVXSHEW<2HW&G4vZLXHdp8P#2rE7N4clu%_Iwy#gGv0%E_Nb;+3!T}gAl^{-^A)HebMTCJ|UxHX*j1&r{"
    "TqH;tEoO*mHZstP8^a<(5zOO2AcYG?vEW$>e24mg^uT^&h=7B@G=qzo#KD9hc@<x$Az?%jM75s6I6$XFW^4rlB=<^q"
    "X?#`j;d9CbSKl!LI@eq&u?ZkV9wH@hOr-V@j`G_%2K4$sJ$}G~%c}eZGRui`73gb8Ga6OXYG8gZ=i_lxI(-Gn{{lj%"
    "m9+kEPAyv{tWLRVo}mk3wA+WsCp^JSWr+q1_8vXb5S&UvP3#AIg8?K&s40w7UEpPiiaIZQqD8MJw-ioW?2;8KEExU|"
    "YivE}ZueSL6egjUbP5s?fz5XnqHRs0PP1x>n6YhGRfV3uI{(Hu9i!S;-I#A}md)x>sgjm=Lz7aOZr*v-R_BvKY-WXr"
    "nGm{D1y#Hxal%Q|Ji-K4nP7p$KWCVQxB;VV3Fi)rc`!lY>tB$FWC?7@rWq}P6iIN9pr5!X`&;moXUg{0iqdt=Egr5F"
    "zkHbBGofZYZm5!2XC1U+<LlL2VTOK!MXbZBi`Gq`5LKU%*UGM`&;_=S+huirgqg%G^&RE7RqMJap~Gu6L<z%4tY3Kx"
    "UU`MPo8nmy`r@dbKRZiLQ8I~8OK8<}Po|Wp8$E0?78WhfTrO*0=6KzJ!Z@e5&$1-o!n}(DbFXN<_UZU=IB&G<Ws%oS"
    "X1S~nX6QziDWprT^f~xYzn>1^OR#KUjdxR!N<LT|pOvi`eoQlltJyJZx8uoGjW?STV@ARoeK}MoE1#+aT~rdSV7Z{}"
    "xgaeL!cyha8M;~jTdsV;a*6Ww2in+Nf&W=t{mY}_%Wn*HddAlYbDtTS-TtW1!(N)tJ?|eakVQK"
)


def unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b85decode(text))


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file["values"] = np.arange(5.0)
    return path


@pytest.fixture
def walker():
    walker = Walker()
    yield walker
    walker.close()


def script(monkeypatch, tmp_path, text: str) -> None:
    """Another program in the place of the one that goes through files."""
    path = tmp_path / "walker.py"
    path.write_text("import os, signal, sys\nfor line in sys.stdin:\n    " + text)
    monkeypatch.setattr(hdf5_walker, "__file__", str(path))


def assert_damaged(path: Path, name: str) -> None:
    with (
        pytest.raises(InputError, match=r"file\.h5: is damaged or truncated"),
        open_hdf5(path, "a test file") as file,
    ):
        find(file, name)


def test_a_crash_is_damage(tmp_path):
    path = tmp_path / "file.h5"
    path.write_bytes(unpacked(CRASH))
    assert_damaged(path, "data")


@pytest.mark.slow
def test_a_circle_is_damage(tmp_path):
    path = tmp_path / "file.h5"
    path.write_bytes(unpacked(CIRCLE))
    assert_damaged(path, "predictions")


@pytest.mark.parametrize(
    ("ends", "says"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "HDF5 crashes on it"),
        ("os.abort()", "HDF5 crashes on it"),
        ("os.kill(os.getpid(), signal.SIGPROF)", "HDF5 does not finish reading it"),
        ("os.kill(os.getpid(), signal.SIGKILL)", ""),  # somebody ended it; that says nothing
        ("sys.exit(3)", ""),
    ],
)
def test_what_its_end_says_of_a_file(walker, path, tmp_path, monkeypatch, ends, says):
    with monkeypatch.context() as patch:
        script(patch, tmp_path, ends)
        assert walker.check(path) == says
    path.touch()
    assert walker.check(path) == ""  # another one goes on


def test_processor_time_on_one_object_is_limited(path):
    """The program itself, reading attributes that have no end."""
    code = (
        "import h5py, sys\n"
        "from helixer_ft.formats import hdf5_walker\n"
        "hdf5_walker.CPU_SECONDS = 0.05\n"
        "h5py.AttributeManager.__iter__ = lambda self: (None for _ in iter(int, 1) if 0)\n"
        "hdf5_walker.walk(sys.argv[1])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGPROF


def test_a_file_is_gone_through_once_until_it_changes(walker, path, monkeypatch):
    asked = []
    ask = Walker._ask
    monkeypatch.setattr(Walker, "_ask", lambda self, path: asked.append(path) or ask(self, path))
    for _ in range(3):
        assert walker.check(path) == ""
    assert len(asked) == 1
    with h5py.File(path, "a") as file:
        file["more"] = np.zeros(1000)
    assert walker.check(path) == ""
    assert len(asked) == 2


def test_a_name_of_any_bytes(walker, path):
    other = path.with_name(os.fsdecode(b"a\nb\xff.h5"))
    path.rename(other)
    assert walker.check(other) == ""
    other.write_bytes(other.read_bytes()[:900])
    assert "truncated" in walker.check(other)


def test_where_no_process_can_be_started_files_are_read_all_the_same(walker, path, monkeypatch):
    def fails(*arguments, **options):
        raise OSError("no more processes")

    monkeypatch.setattr(hdf5_check.subprocess, "Popen", fails)
    assert walker.check(path) == ""


def test_it_ends_with_the_process_that_started_it(path):
    code = (
        "import sys; from pathlib import Path\n"
        "from helixer_ft.formats import hdf5_check as c\n"
        "c.damage(Path(sys.argv[1])); print(c._walker._process.pid, flush=True)\n"
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    for _ in range(200):
        try:
            os.kill(int(done.stdout), 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("it is still there")


def test_links_are_not_followed(walker, path, tmp_path):
    """What lies beyond is damaged, and that is not noticed."""
    (tmp_path / "damaged.h5").write_bytes(path.read_bytes()[:900])
    with h5py.File(path, "a") as file:
        file["soft"] = h5py.SoftLink("/nowhere")
        file["external"] = h5py.ExternalLink("damaged.h5", "/values")
        file.create_dataset("storage", (9,), "S5", external=[("nowhere", 0, 45)])
        layout = h5py.VirtualLayout((5,), "S5")
        layout[...] = h5py.VirtualSource("damaged.h5", "values", (5,))
        file.create_virtual_dataset("virtual", layout)
        file["circle"] = file["/"]
    assert walker.check(path) == ""
