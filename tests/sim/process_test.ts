/**
 * A simulated process that stands still for a while: nothing that it hears overtakes what came before.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { SimProcess } from "./machines/process.ts";
import { World } from "./world/world.ts";

const test = suite("process");

test("what arrives in the instant in which a process wakes comes after what it has missed", async () => {
  const world = new World({ seed: 1, keepsTrace: false });
  const process = new SimProcess(world, 1);
  const heard: number[] = [];
  const hear = (number: number) => process.admit("hears", () => void heard.push(number));
  world.plan(1, "first", () => hear(1));
  world.plan(2, "second", () => hear(2));
  world.plan(3, "wake", () => process.resume());
  // Planned before the wake, for the same instant.
  world.plan(3, "third", () => hear(3));
  process.pause();
  while (await world.step());
  assert.equal(heard, [1, 2, 3]);
});

test("a process that stops again while it catches up goes on in order later", async () => {
  const world = new World({ seed: 1, keepsTrace: false });
  const process = new SimProcess(world, 1);
  const heard: number[] = [];
  process.pause();
  process.admit("hears", () => {
    heard.push(1);
    process.pause();
  });
  process.admit("hears", () => void heard.push(2));
  process.resume();
  process.admit("hears", () => void heard.push(3));
  while (await world.step());
  assert.equal(heard, [1]);
  process.resume();
  while (await world.step());
  assert.equal(heard, [1, 2, 3]);
});

test.run();
