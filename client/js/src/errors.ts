import type { Batch, Edit, Problem } from "./types.js";

/** Base class of everything that the client throws. */
export class BaretError extends Error {
  override readonly name: string = "BaretError";
}

/** The service did not answer, after all retries. */
export class ServiceUnreachable extends BaretError {
  override readonly name = "ServiceUnreachable";
}

/** The service refused a request. `problem` says why, and what to do. */
export class ProblemError extends BaretError {
  override readonly name = "ProblemError";

  constructor(
    readonly problem: Problem,
    /** Seconds to wait before another try, if the service said so. */
    readonly retryAfter: number | null,
    /** The id under which the service has logged the request. */
    readonly requestId: string,
  ) {
    const fields = (problem.errors ?? []).map(({ pointer, detail }) => `\n  ${pointer}: ${detail}`);
    super(`${problem.title}. ${problem.detail ?? ""}${fields.join("")}`);
  }

  /** What a program decides by, such as `rate_limited`. */
  get code(): string {
    return this.problem.code;
  }

  get status(): number {
    return this.problem.status;
  }
}

/** The edit that was waited for ended without an image, or not in time. */
export class EditNotSucceeded extends BaretError {
  override readonly name = "EditNotSucceeded";

  constructor(
    message: string,
    readonly edit: Edit,
  ) {
    super(message);
  }
}

/** The batch that was waited for did not end in time; it goes on. */
export class BatchNotEnded extends BaretError {
  override readonly name = "BatchNotEnded";

  constructor(
    message: string,
    readonly batch: Batch,
  ) {
    super(message);
  }
}

/** A webhook that is not from the service, was altered, or is too old. */
export class WebhookRejected extends BaretError {
  override readonly name = "WebhookRejected";
}
