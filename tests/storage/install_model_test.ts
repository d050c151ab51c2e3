/**
 * Snapshots between two stores against the history that both hold, by seed (`install_run.ts`).
 *
 * `STORAGE_INSTALL_ROUNDS` runs more of them, `STORAGE_INSTALL_SEED` another one first.
 *
 * @module
 */

import { suite } from "../harness.ts";
import { playInstallRun } from "../support/storage/install_run.ts";

const test = suite("snapshots against a model");
const ROUNDS = Number(Deno.env.get("STORAGE_INSTALL_ROUNDS") ?? 20);
const FIRST_SEED = Number(Deno.env.get("STORAGE_INSTALL_SEED") ?? 1);

for (let seed = FIRST_SEED; seed < FIRST_SEED + ROUNDS; seed++) {
  test(`seed ${seed}`, () => playInstallRun(seed));
}

test.run();
