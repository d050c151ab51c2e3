/**
 * A disk that can be filled up. Whoever may mount gets a small one that is really full; everybody else
 * directories in which nothing can be made, which is the same to those who make files.
 *
 * @module
 */

const PIECE_BYTES = 4 * 1024;

/** See the module comment. */
export class SmallDisk {
  /** Where it begins; empty. */
  readonly folder: string;
  /** Whether it is a disk: else nothing can be removed either while it is full. */
  readonly isMounted: boolean;
  #closed: readonly string[] = [];

  private constructor(folder: string, isMounted: boolean) {
    this.folder = folder;
    this.isMounted = isMounted;
  }

  static async open(bytes: number): Promise<SmallDisk> {
    const folder = await Deno.makeTempDir({ prefix: "prkdb-full-disk-" });
    const isMounted = Deno.uid() === 0 &&
      await run("mount", "-t", "tmpfs", "-o", `size=${bytes}`, "none", folder);
    console.log(`full disk: ${isMounted ? "a small disk, filled up" : "directories that take no new file"}`);
    return new SmallDisk(folder, isMounted);
  }

  get #ballast(): string {
    return `${this.folder}/ballast`;
  }

  /** Takes away all room, or at least that for new files in these directories. */
  async fill(directories: readonly string[]): Promise<void> {
    if (this.isMounted) return this.#fillUp();
    this.#closed = directories;
    for (const directory of directories) await Deno.chmod(directory, 0o500);
  }

  async makeRoom(): Promise<void> {
    if (this.isMounted) return await Deno.remove(this.#ballast);
    for (const directory of this.#closed) await Deno.chmod(directory, 0o700);
    this.#closed = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isMounted) await run("umount", this.folder);
    else await this.makeRoom();
    await Deno.remove(this.folder, { recursive: true });
  }

  #fillUp(): void {
    using file = Deno.openSync(this.#ballast, { create: true, append: true });
    const bytes = new Uint8Array(PIECE_BYTES);
    try {
      for (;;) file.writeSync(bytes);
    } catch (error) {
      if (Reflect.get(Object(error), "code") !== "ENOSPC") throw error;
    }
  }
}

async function run(command: string, ...args: readonly string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args: [...args], stdout: "null", stderr: "null" }).output())
      .success;
  } catch {
    return false;
  }
}
