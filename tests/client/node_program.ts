/**
 * Programs run by Node.js, with this project's npm packages where Node.js looks for them.
 *
 * @module
 */

/** Whether there is a `node` on PATH; it is wherever `npx` is. */
export async function hasNode(): Promise<boolean> {
  try {
    const version = new Deno.Command("node", { args: ["--version"], stdout: "null", stderr: "null" });
    return (await version.output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Makes the packages called `names`, as this project pins them, importable from programs in `folder`. */
export async function linkPackages(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const link = `${folder}/node_modules/${name}`;
    await Deno.mkdir(link.slice(0, link.lastIndexOf("/")), { recursive: true });
    const entry = new URL(import.meta.resolve(name)).pathname;
    await Deno.symlink(entry.slice(0, entry.indexOf("/dist/")), link);
  }
}

/**
 * Runs `file` with one argument and returns the JSON on its standard output.
 *
 * @throws {Error} with its standard error when it does not end with exit code 0
 */
export async function runInNode(file: string, argument: string): Promise<unknown> {
  // The linked packages must find each other beside the link and not where they really are.
  const args = ["--preserve-symlinks", file, argument];
  const { code, stdout, stderr } = await new Deno.Command("node", { args, stdin: "null" }).output();
  if (code !== 0) throw new Error(`node ended with exit code ${code}: ${new TextDecoder().decode(stderr)}`);
  return JSON.parse(new TextDecoder().decode(stdout));
}
