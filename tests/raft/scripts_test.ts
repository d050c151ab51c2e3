/**
 * Runs the text scripts of this folder; their commands are explained in `raft_script.ts`.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { runScriptFile, scriptFiles } from "../script/script_file.ts";
import { RaftScript } from "./raft_script.ts";

const SCRIPTS_MIN = 20;

const test = suite("raft scripts");
const files = scriptFiles(new URL("./scripts/", import.meta.url));

for (const { name, url } of files) {
  test(name.replaceAll("_", " ").replace(".txt", ""), () => {
    const script = new RaftScript();
    runScriptFile(url, (command) => script.run(command));
  });
}

test("the scripts were found", () => assert.ok(files.length >= SCRIPTS_MIN, `${files.length} scripts`));

test.run();
