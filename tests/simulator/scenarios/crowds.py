"""Concurrency: many connections, many identical requests, nothing that tells them apart."""

from __future__ import annotations

from tests.simulator.roles import Balancer, Simulation
from tests.simulator.scenarios.base import ALB, FOUR, XFF, crowd, curls, mixed, scenario


@scenario()
def identical_curls() -> Simulation:
    """Ten identical curls, nothing that tells them apart"""
    simulation = Simulation(seed=2)
    curls(simulation.client("192.168.0.5"), ["/"] * 10, 1000)
    return simulation


@scenario()
def crowd_8() -> Simulation:
    """8 connections × 100 identical GETs, four backends, XFF"""
    simulation = Simulation(
        seed=4, balancer=Balancer(add=[XFF]), backends=FOUR, separate_points=True
    )
    crowd(simulation, 8, 100)
    return simulation


@scenario()
def crowd_64_one_client() -> Simulation:
    """64 connections of one client × 50 identical GETs, no marker anywhere"""
    simulation = Simulation(seed=5)
    crowd(simulation, 1, 50, connections=64)
    return simulation


@scenario()
def shared_backend_connection() -> Simulation:
    """One backend connection carries three clients' requests in turn"""
    return mixed(Balancer(add=[XFF]), n=60, connections=1)


@scenario(0.9)
def large() -> Simulation:
    """2000 exchanges over 32 connections, unique ids"""
    return mixed(Balancer(add=ALB), n=2000, connections=32, backends=FOUR)
