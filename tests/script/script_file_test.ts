/**
 * The script runner itself: it must notice every difference.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { parseCommand, replay, type ScriptCommand } from "./script_file.ts";

const test = suite("script file");
const echo = (command: ScriptCommand) => [...command.words];

test("a script that holds reads the same after it has run", () => {
  const text = "# story\n> echo a b\na\nb\n\n> echo\n# end\n";
  assert.is(replay(text, echo), text);
});

test("wrong, missing and left-over output all change the text", () => {
  assert.is(replay("> echo a\nb\n", echo), "> echo a\na\n");
  assert.is(replay("> echo a\n", echo), "> echo a\na\n");
  assert.is(replay("> echo\na\n", echo), "> echo\n");
});

test("output without a command is refused", () => {
  assert.throws(() => replay("# story\nlost\n", echo), /output without a command/);
});

test("a command is taken apart", () => {
  const command = parseCommand("append from=1 x entries=1/1,2/1 y");
  assert.is(command.name, "append");
  assert.equal(command.words, ["x", "y"]);
  assert.equal([...command.options], [["from", "1"], ["entries", "1/1,2/1"]]);
});

test.run();
