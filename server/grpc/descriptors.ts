/**
 * The descriptors of everything that a node serves, by file name and by fully qualified name, as tools want
 * to have them. They come from the generated code, so they are what the node itself reads messages with.
 *
 * @module
 */

import {
  type DescEnum,
  type DescFile,
  type DescMessage,
  type DescService,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

/** See the module comment. */
export class DescriptorIndex {
  readonly #files = new Map<string, DescFile>();
  /** The file in which a name is declared. */
  readonly #symbols = new Map<string, DescFile>();
  readonly #messages = new Set<string>();

  /** @param services all that is served; what their files import is found by itself */
  constructor(services: readonly DescService[]) {
    for (const { file } of services) this.#addFile(file);
  }

  /**
   * The file that other files import as `name`, then what it imports, each a `FileDescriptorProto`;
   * `undefined` if there is none.
   */
  fileByName(name: string): readonly Uint8Array[] | undefined {
    return serialised(this.#files.get(name));
  }

  /** The same for the file that declares `symbol`, with or without a dot in front. */
  fileOfSymbol(symbol: string): readonly Uint8Array[] | undefined {
    return serialised(this.#symbols.get(symbol.replace(/^\./, "")));
  }

  /** Whether `name` is that of a message. */
  hasMessage(name: string): boolean {
    return this.#messages.has(name.replace(/^\./, ""));
  }

  #addFile(file: DescFile): void {
    if (this.#files.has(file.proto.name)) return;
    this.#files.set(file.proto.name, file);
    for (const each of file.services) this.#addService(each);
    for (const each of file.messages) this.#addMessage(each);
    for (const each of file.enums) this.#addEnum(each);
    for (const each of file.dependencies) this.#addFile(each);
  }

  #addService({ typeName, methods, file }: DescService): void {
    this.#symbols.set(typeName, file);
    for (const { name } of methods) this.#symbols.set(`${typeName}.${name}`, file);
  }

  #addMessage({ typeName, file, fields, oneofs, nestedMessages, nestedEnums }: DescMessage): void {
    this.#messages.add(typeName);
    this.#symbols.set(typeName, file);
    for (const { name } of [...fields, ...oneofs]) this.#symbols.set(`${typeName}.${name}`, file);
    for (const each of nestedMessages) this.#addMessage(each);
    for (const each of nestedEnums) this.#addEnum(each);
  }

  /** The values of an enum are named beside it, not in it. */
  #addEnum({ typeName, file, values }: DescEnum): void {
    this.#symbols.set(typeName, file);
    const scope = typeName.slice(0, typeName.lastIndexOf(".") + 1);
    for (const { name } of values) this.#symbols.set(scope + name, file);
  }
}

function serialised(file: DescFile | undefined): readonly Uint8Array[] | undefined {
  if (file === undefined) return undefined;
  const files = new Set([file]);
  // A set goes on over what is added to it meanwhile.
  for (const each of files) for (const imported of each.dependencies) files.add(imported);
  return [...files].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
}
