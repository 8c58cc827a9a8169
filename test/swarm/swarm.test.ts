/** What needs a Swarm, one file after the other: there is one Swarm, and some of these cut its nodes off. */
import './contract.ts';
import './driver.ts';
import './balancer.ts';
