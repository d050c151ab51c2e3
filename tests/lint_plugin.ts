/**
 * Rules of the project that the compiler does not know, as a plugin of `deno lint` (`deno.json`,
 * `lint.plugins`).
 *
 * - `pure-core`: nothing in the pure rooms, `raft/`, `server/kv/` and `server/cluster/`, does input or
 *   output, reads a clock, draws a random number or waits, so that the simulator decides everything that
 *   happens.
 * - `no-bigint-in-core`: 64-bit wire numbers stop at `server/rpc/`; below it there are safe integers only.
 * - `banned-syntax`: no default exports, namespaces, decorators or `Proxy` anywhere.
 * - `function-lines`: no function above {@linkcode FUNCTION_LINES_MAX} lines.
 *
 * A rule finds a file's room by its path below the folder that holds `tests/`. It judges names, not bindings:
 * a local variable named `performance` is refused in the pure rooms too, because a reader would have to check
 * which one it is.
 *
 * @module
 */

/// <reference lib="deno.unstable" />

/** A longer function does more than one thing. */
export const FUNCTION_LINES_MAX = 70;

const ROOT = new URL("../", import.meta.url).pathname;

/** Names of what a pure room must not use, each with what is done instead. */
const IMPURE_NAMES: ReadonlyMap<string, string> = new Map([
  ...[
    "Deno",
    "process",
    "console",
    "fetch",
    "WebSocket",
    "Worker",
    "navigator",
    "localStorage",
    "globalThis",
  ].map((name) => [name, "a pure room does no input or output: return what must happen"] as const),
  ...["setTimeout", "setInterval", "setImmediate", "queueMicrotask"].map((name) =>
    [name, "a pure room has no timers: count ticks"] as const
  ),
  ...["Date", "performance", "Temporal"].map((name) =>
    [name, "a pure room has no clock: count ticks"] as const
  ),
  ...["crypto", "WeakRef", "FinalizationRegistry"].map((name) =>
    [name, "a pure room is deterministic: use the seeded random that is handed in"] as const
  ),
  ["Promise", "a pure room never waits: return data"],
]);

const plugin: Deno.lint.Plugin = {
  name: "prkdb",
  rules: {
    "pure-core": { create: pureCore },
    "no-bigint-in-core": { create: noBigintInCore },
    "banned-syntax": { create: bannedSyntax },
    "function-lines": { create: functionLines },
  },
};

// deno-lint-ignore prkdb/banned-syntax -- Deno takes a plugin from the default export only.
export default plugin;

const PURE = /^(raft|server\/kv|server\/cluster)\//;
/** The only package that a pure room may import: it is pure itself. */
const PROTOBUF = "@bufbuild/protobuf";

function pureCore(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  if (!isIn(context, PURE) || isTest(context)) return {};
  const refuse = (node: Deno.lint.Node, message: string) => context.report({ node, message });
  const refuseAsync = (node: Deno.lint.Node & { readonly async: boolean }) => {
    if (node.async) refuse(node, "`async`: a pure room never waits, return data");
  };
  return {
    Identifier(node) {
      const instead = IMPURE_NAMES.get(node.name);
      if (instead !== undefined && !isMerelyAName(node)) {
        refuse(node, `\`${node.name}\`: ${instead}`);
      }
    },
    MemberExpression(node) {
      if (isMathRandom(node)) {
        refuse(node, "`Math.random`: a pure room is deterministic: use the seeded random that is handed in");
      }
    },
    ImportDeclaration(node) {
      const isPure = node.source.value === PROTOBUF && isIn(context, /^server\/cluster\//);
      if (!node.source.value.startsWith(".") && !isPure) {
        refuse(node, `import of "${node.source.value}": a pure room imports no package`);
      }
    },
    ImportExpression: (node) => refuse(node, "`import()`: a pure room never waits, import at the top"),
    AwaitExpression: (node) => refuse(node, "`await`: a pure room never waits, return data"),
    ForOfStatement(node) {
      if (node.await) refuse(node, "`for await`: a pure room never waits, return data");
    },
    FunctionDeclaration: refuseAsync,
    FunctionExpression: refuseAsync,
    ArrowFunctionExpression: refuseAsync,
  };
}

function noBigintInCore(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const inside = isIn(context, /^(raft|server)\//) && !isIn(context, /^server\/rpc\//);
  if (!inside || isTest(context)) return {};
  const refuse = (node: Deno.lint.Node) =>
    context.report({ node, message: "bigint: 64-bit numbers stop at `server/rpc`: use a safe integer" });
  return {
    Literal(node) {
      if (typeof node.value === "bigint") refuse(node);
    },
    TSBigIntKeyword: refuse,
    Identifier(node) {
      if (node.name === "BigInt" && !isMerelyAName(node)) refuse(node);
    },
  };
}

function bannedSyntax(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const refuse = (node: Deno.lint.Node, message: string) => context.report({ node, message });
  // Decorators such as `@inline` are part of AssemblyScript.
  const decoratorsAllowed = isIn(context, /^wal-wasm\/assembly\//);
  return {
    ExportDefaultDeclaration: (node) => refuse(node, "default export: export it under its name"),
    ExportSpecifier(node) {
      const exported = node.exported;
      if (exported.type === "Identifier" && exported.name === "default") {
        refuse(node, "default export: export it under its name");
      }
    },
    TSModuleDeclaration: (node) => refuse(node, "namespace: use a module"),
    Decorator(node) {
      if (!decoratorsAllowed) refuse(node, "decorator: call the function instead");
    },
    Identifier(node) {
      if (node.name === "Proxy" && !isMerelyAName(node)) {
        refuse(node, "`Proxy`: a reader cannot follow it, write the methods out");
      }
    },
  };
}

function functionLines(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const measure = (node: Deno.lint.Node) => {
    const lines = context.sourceCode.getText(node).split("\n").length;
    if (lines > FUNCTION_LINES_MAX) {
      context.report({ node, message: `function of ${lines} lines (limit ${FUNCTION_LINES_MAX}): split it` });
    }
  };
  return {
    FunctionDeclaration: measure,
    FunctionExpression: measure,
    ArrowFunctionExpression: measure,
  };
}

/** Whether the name stands for a member or a label, not for the global of that name. */
function isMerelyAName(node: Deno.lint.Identifier): boolean {
  const parent = node.parent;
  switch (parent.type) {
    case "MemberExpression":
      return parent.property === node && !parent.computed;
    case "Property":
      return parent.key === node && !parent.computed && !parent.shorthand;
    case "PropertyDefinition":
    case "MethodDefinition":
    case "TSPropertySignature":
    case "TSMethodSignature":
      return parent.key === node && !parent.computed;
    case "ImportSpecifier":
      return parent.imported === node && parent.local.name !== node.name;
    default:
      return false;
  }
}

function isMathRandom(node: Deno.lint.MemberExpression): boolean {
  const { object, property } = node;
  if (object.type !== "Identifier" || object.name !== "Math") return false;
  if (property.type === "Identifier" && !node.computed) return property.name === "random";
  return node.computed;
}

function isIn(context: Deno.lint.RuleContext, rooms: RegExp): boolean {
  const path = context.filename.replaceAll("\\", "/");
  return path.startsWith(ROOT) && rooms.test(path.slice(ROOT.length));
}

function isTest(context: Deno.lint.RuleContext): boolean {
  return context.filename.endsWith("_test.ts");
}
