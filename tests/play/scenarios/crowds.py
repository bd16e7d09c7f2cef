"""Concurrency: many connections, many identical requests, nothing that tells them apart."""

from __future__ import annotations

from tests.play.cast import Balancer, Play
from tests.play.scenarios.base import ALB, FOUR, XFF, crowd, curls, mixed, scenario


@scenario()
def identical_curls() -> Play:
    """Ten identical curls, nothing that tells them apart"""
    play = Play(seed=2)
    curls(play.client("192.168.0.5"), ["/"] * 10, 1000)
    return play


@scenario()
def crowd_8() -> Play:
    """8 connections × 100 identical GETs, four backends, XFF"""
    play = Play(seed=4, balancer=Balancer(add=[XFF]), backends=FOUR, separate_points=True)
    crowd(play, 8, 100)
    return play


@scenario()
def crowd_64_one_client() -> Play:
    """64 connections of one client × 50 identical GETs, no marker anywhere"""
    play = Play(seed=5)
    crowd(play, 1, 50, connections=64)
    return play


@scenario()
def shared_backend_connection() -> Play:
    """One backend connection carries three clients' requests in turn"""
    return mixed(Balancer(add=[XFF]), n=60, connections=1)


@scenario(0.9)
def large() -> Play:
    """2000 exchanges over 32 connections, unique ids"""
    return mixed(Balancer(add=ALB), n=2000, connections=32, backends=FOUR)
