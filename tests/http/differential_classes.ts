/**
 * In what the server of the project differs from the runtime's, and why: every difference that is found must
 * be of one of these classes. Where the runtime is more lenient, a class says what real clients lose by that:
 * nothing, unless it says otherwise.
 *
 * @module
 */

import type { ServerAnswer, ServerOutcome } from "./differential_exchange.ts";
import type { Conversation } from "./differential_request.ts";

/** Two servers did not do the same. */
export interface Difference {
  readonly conversation: Conversation;
  readonly theirs: ServerOutcome;
  readonly ours: ServerOutcome;
  /** The first answers that are not alike; `undefined` if there is none in this place. */
  readonly theirAnswer: ServerAnswer | undefined;
  readonly ourAnswer: ServerAnswer | undefined;
}

/** A kind of difference. */
export interface DifferenceClass {
  readonly name: string;
  /** Why both may be as they are, or why ours is right. */
  readonly reason: string;
  readonly holds: (difference: Difference) => boolean;
}

/** Whether ours refuses with this status, for a reason that holds these words. */
function refusal({ ourAnswer }: Difference, status: number, words = ""): boolean {
  return ourAnswer?.status === status && (ourAnswer.said === "" || ourAnswer.said.includes(words));
}

/** Whether theirs refuses, too: by an answer, or by ending without one. */
function isRefusedByTheirs({ theirAnswer, theirs }: Difference): boolean {
  return theirAnswer === undefined ? theirs.end === "itself" : theirAnswer.status >= 400;
}

/**
 * Whether theirs cannot read what ours can. Where ours refuses its path, which says nothing of where a
 * request ends, both have 400 and only theirs ends the connection.
 */
function isRefusedByTheirsOnly({ theirAnswer, ourAnswer, theirs, ours }: Difference): boolean {
  if (theirAnswer !== undefined) return theirAnswer.status === 400 && isServed(ourAnswer);
  const last = theirs.answers.length - 1;
  return theirs.end === "itself" && theirs.answers[last]?.status === 400 &&
    ours.answers[last]?.said.includes("give the path without") === true;
}

function isServed(answer: ServerAnswer | undefined): boolean {
  return answer?.status === 200;
}

/** Whether it answers GET or HEAD, and there was a body that theirs does not read then. */
function isOfUnreadBody(answer: ServerAnswer | undefined, text: string): boolean {
  return /^(GET|HEAD) /.test(answer?.said ?? "") && /\n(content-length|transfer-encoding):/i.test(text);
}

/** Refused by both: a class for each status of ours that theirs does not have. */
function refusedByBoth(
  status: number,
  { words, name, reason }: { readonly words?: string; readonly name: string; readonly reason: string },
): DifferenceClass {
  return {
    name: `both refuse ${name}`,
    reason,
    holds: (difference) => isRefusedByTheirs(difference) && refusal(difference, status, words),
  };
}

/** Refused by ours, served by theirs. */
function refusedByOurs(
  name: string,
  { status = 400, words, isIn, reason }: {
    readonly status?: number;
    readonly words: string;
    /** Whether what ours complains of is in the text at all. */
    readonly isIn: (text: string) => boolean;
    readonly reason: string;
  },
): DifferenceClass {
  return {
    name: `only ours refuses ${name}`,
    reason,
    holds: (difference) =>
      !isRefusedByTheirs(difference) && refusal(difference, status, words) &&
      isIn(difference.conversation.text),
  };
}

/** Whether the text has what the expression describes. */
function has(feature: RegExp): (text: string) => boolean {
  return (text) => feature.test(text);
}

/** Whether a `Host` or the authority of a target is neither `host` nor `host:port`. */
function hasBadHost(text: string): boolean {
  const hosts = [...text.matchAll(/\nhost:[ \t]*(.*?)[ \t]*\r\n/gis)].map(([, host]) => host!);
  const targets = [...text.matchAll(/ https?:\/\/([^/? ]*)/gi)].map(([, authority]) => authority!);
  return [...hosts, ...targets].some((each) =>
    !/^(\[[0-9a-f:.]{2,45}\]|[\w\-.~%!$&'()*+,;=]+)(:\d{0,5})?$/i.test(each) ||
    !URL.canParse(`http://${each}`)
  );
}

/** Whether a target's path would be another one as a URL of the web. */
function hasChangingPath(text: string): boolean {
  const targets = [...text.matchAll(/ (?:https?:\/\/[^/? ]*)?(\/[^ \n?]*)[^ \n]* HTTP\/1/gi)].map((
    [, path],
  ) => path!);
  return targets.some((path) =>
    !URL.canParse(`http://a${path}`) || new URL(`http://a${path}`).pathname !== path
  );
}

/** Whether a target is neither a path nor an http URL. */
function hasBadTarget(text: string): boolean {
  const targets = [...text.matchAll(/ ([^ \n]+) HTTP\/1/g)].map(([, target]) => target!);
  return targets.some((each) => !/^(https?:\/)?\/[^#]*$/i.test(each));
}

/** Whether a head of HTTP/1.1 has no `Host`, or an empty one. */
function lacksHost(text: string): boolean {
  return text.split("\r\n\r\n").some((head) =>
    /HTTP\/1\.[1-9]/.test(head) && !/\nhost:[ \t]*[^\s]/i.test(head)
  );
}

/** See the module comment. Looked through in order; the first that holds counts. */
export const DIFFERENCE_CLASSES: readonly DifferenceClass[] = [
  refusedByBoth(505, {
    name: "versions that are not HTTP/1",
    reason: "RFC 9110, section 15.6.6: 505 says what is wrong; theirs has 400",
  }),
  refusedByBoth(501, {
    words: "transfer coding",
    name: "transfer codings other than chunked",
    reason:
      "RFC 9112, section 6.1: 501 is for codings that are not known; theirs has 400, or reads on until " +
      "a chunk is wrong",
  }),
  refusedByBoth(501, {
    words: "Cannot serve the",
    name: "methods that are not implemented",
    reason: "RFC 9110, section 9.1: 501 is for those; theirs has 400 for CONNECT, and waits for bodies",
  }),
  refusedByBoth(431, {
    name: "heads that are too large",
    reason: "RFC 6585, section 5: 431 says what is wrong; theirs has 400 from 100 fields on",
  }),
  {
    name: "both refuse a request, theirs without a word",
    reason: "theirs ends the connection when a body is malformed or breaks off; ours says 400 first",
    holds: (each) => each.theirAnswer === undefined && each.theirs.end === "itself" && refusal(each, 400),
  },
  {
    name: "both refuse, ours because of the head and theirs because of what is behind it",
    reason: "an expectation that is not known, or a length beyond the handler's limit, is refused at once",
    holds: (each) => isRefusedByTheirs(each) && (refusal(each, 413) || refusal(each, 417)),
  },
  {
    name: "ours ends without waiting for the rest",
    reason: "a head or a chunk that will never be right is refused at once, and behind an early answer the " +
      "rest is passed over for a second only (RFC 9112, section 9.6); theirs reads on as long as bytes come",
    holds: ({ theirs, ours, theirAnswer, ourAnswer }) =>
      theirAnswer === ourAnswer && theirs.end === "after the client" && ours.end === "itself",
  },
  refusedByOurs("heads without a host or with two", {
    words: "field Host",
    isIn: (text) => lacksHost(text) || /\nhost:[^]*\nhost:/i.test(text),
    reason:
      "RFC 9112, section 3.2: such a request must be answered with 400, which theirs does in HTTP/1.1 for " +
      "two of them; RFC 9110, section 4.2.1: an http URL without a host must be rejected",
  }),
  refusedByOurs("names of hosts that are none", {
    words: "host",
    isIn: hasBadHost,
    reason: "RFC 9112, section 3.2: a Host that is not valid must be answered with 400",
  }),
  refusedByOurs("expectations", {
    status: 417,
    words: "expectation",
    isIn: has(/\nexpect:[ \t]*(?!(,|100-continue)*[ \t]*\r\n)/i),
    reason:
      "RFC 9110, section 10.1.1: a server may answer 417; who expects what is not done should hear of it",
  }),
  refusedByOurs("lines that end in a bare LF", {
    words: "bare LF",
    // A body may end between CR and LF.
    isIn: has(/(^|[^\r])\n|content-length/i),
    reason:
      "RFC 9112, section 2.2: a server may read such lines; requests are smuggled with them. Who types " +
      "requests by hand must send CR LF (nc -C)",
  }),
  refusedByOurs("targets that are no path and no URL", {
    words: "its target must be",
    isIn: hasBadTarget,
    reason: "RFC 9112, section 3.2: a fragment is no part of a target; a bad request line should get 400",
  }),
  refusedByOurs("paths that the web's classes would change", {
    words: "give the path without",
    isIn: hasChangingPath,
    reason:
      "RFC 3986, section 6: dots may be resolved, but a proxy in front that allows some paths only may not have " +
      "done so; characters that no URL has need not be accepted",
  }),
  refusedByOurs("sizes of chunks with white space or many digits", {
    words: "the size of a chunk",
    isIn: has(/\n([ \t]+[0-9a-f]+|[0-9a-f]+[ \t]+)\r\n|\n[0-9a-f]{14,}/i),
    reason:
      "RFC 9112, section 7.1: white space may stand before an extension only. Old servers pad sizes with " +
      "spaces, in answers; no client that is known does so in requests",
  }),
  refusedByOurs("lengths of many digits", {
    words: "Content-Length must be one number",
    isIn: has(/content-length:[ \t]*\d{16,}/i),
    reason:
      "leading zeros are in the grammar, but nobody sends fifteen of them, nor a petabyte; theirs serves GET " +
      "and HEAD without reading what is announced",
  }),
  refusedByOurs("much around chunks", {
    words: "may have 16384 bytes",
    isIn: (text) => text.length > 16_384,
    reason: "extensions and trailer fields are bounded, so that nobody is kept busy with them",
  }),
  refusedByOurs("codings under chunked", {
    status: 501,
    words: "transfer coding",
    isIn: has(/\ntransfer-encoding:.*,/i),
    reason: "RFC 9112, section 6.1: theirs takes gzip off as chunks and hands on what it cannot read",
  }),
  refusedByOurs("methods that the web's classes cannot express", {
    status: 501,
    words: "Cannot serve the method",
    isIn: has(/(^|\n|[^A-Z])(TRACE|get) /),
    reason: "theirs makes a Request by other means; no route of a node has such a method",
  }),
  refusedByOurs("CONNECT", {
    status: 501,
    words: "CONNECT",
    isIn: has(/CONNECT /),
    reason: "theirs hands it to the handler like a GET, and takes its body for the next request",
  }),
  {
    name: "theirs serves GET and HEAD whatever their body is",
    reason: "it does not read a body that nobody asks for, and ends the connection; ours looks for its end",
    holds: (each) =>
      isServed(each.theirAnswer) && /^(GET|HEAD) /.test(each.theirAnswer!.said) &&
      (refusal(each, 413) || refusal(each, 400, "chunk") || refusal(each, 400, "trailer")),
  },
  {
    name: "only theirs refuses later minor versions",
    reason: "RFC 9110, section 2.5: HTTP/1.2 is to be read as HTTP/1.1",
    holds: (each) => isRefusedByTheirsOnly(each) && /HTTP\/1\.[2-9]\r\n/.test(each.conversation.text),
  },
  {
    name: "only theirs refuses more than 100 fields",
    reason: "ours takes 200",
    holds: (each) =>
      isRefusedByTheirsOnly(each) &&
      each.conversation.text.split("\r\n\r\n").some((head) => head.split("\r\n").length > 100),
  },
  {
    name: "only theirs refuses to upgrade where there is a body",
    reason: "RFC 9110, section 7.8: a server may ignore Upgrade, and ours always does",
    holds: (each) => isRefusedByTheirsOnly(each) && /\nupgrade:/i.test(each.conversation.text),
  },
  {
    name: "OPTIONS of a URL without a path",
    reason: "RFC 9112, section 3.2.4: it means the server as a whole, *; for theirs it is /",
    holds: ({ theirAnswer, ourAnswer }) =>
      isServed(theirAnswer) && isServed(ourAnswer) && /^OPTIONS .*\/\*/.test(ourAnswer!.said),
  },
  {
    name: "only theirs refuses empty lines before a request",
    reason: "RFC 9112, section 2.2: they should be ignored; theirs does so if the request comes as a whole",
    holds: (each) => isRefusedByTheirsOnly(each) && /(^|\r\n\r\n|x)\r\n/.test(each.conversation.text),
  },
  {
    name: "theirs ends the connection behind a body that was not read",
    reason: "ours passes over the body of GET or HEAD, which is there as a whole, and goes on, be it to a " +
      "request that never comes to its end",
    holds: ({ theirAnswer, ourAnswer, theirs, ours, conversation }) =>
      theirAnswer === undefined && (ourAnswer !== undefined || ours.end === "after the client") &&
      theirs.end === "itself" && isOfUnreadBody(theirs.answers.at(-1), conversation.text),
  },
  {
    name: "ours ends a connection of HTTP/1.0 behind an answer in pieces",
    reason:
      "RFC 9112, section 6.3: without chunks, only the end says where a body ends whose length is not " +
      "known; theirs knows the length of texts. Ours keeps the connection where it knows the length",
    holds: ({ theirAnswer, ourAnswer, conversation }) =>
      theirAnswer !== undefined && ourAnswer === undefined &&
      /HTTP\/1\.0\r\n/.test(conversation.text) && /\nconnection:.*keep-alive/i.test(conversation.text),
  },
  {
    name: "theirs gives up when the client ends its side",
    reason: "a client that only ends its side still gets its answer from ours",
    holds: ({ theirAnswer, ourAnswer, ours, conversation }) =>
      !isServed(theirAnswer) && isServed(ourAnswer) &&
      (conversation.isHalfClosed || ours.end === "after the client"),
  },
  {
    name: "ours says nothing to a request that breaks off",
    reason:
      "RFC 9112, section 8: a server may answer such a request, or just close; theirs judges the first " +
      "line before it is whole, and hands on bodies that break off. The same if a body is found to be " +
      "malformed when its answer has begun",
    holds: ({ theirAnswer, ourAnswer, ours, conversation: { text, isHalfClosed } }) =>
      theirAnswer !== undefined && ourAnswer === undefined &&
      (isHalfClosed || ours.end === "after the client" || text.length > 16_384) &&
      (!isServed(theirAnswer) || isOfUnreadBody(theirAnswer, text)),
  },
];
