// JavaScript applications in a process of their own, which speaks as calls/__main__.py does: a job a line, an answer a line.
// Addresses, keys and retries are the environment's business.

import { createInterface } from "node:readline";
import { Agent } from "node:http";
import { Agent as TlsAgent } from "node:https";
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand } from "@aws-sdk/client-bedrock-runtime";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { generateText, streamText } from "ai";

const MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const counted = (usage) => [usage.inputTokens, usage.outputTokens];

// The SDK's default handler speaks HTTP/2; an agent takes the proxy of the environment only where it is given that environment.
const http1 = () =>
  new NodeHttpHandler({ httpAgent: new Agent({ proxyEnv: process.env }), httpsAgent: new TlsAgent({ proxyEnv: process.env }) });

async function converse(client, streaming, prompt, seen) {
  const said = { modelId: MODEL, messages: [{ role: "user", content: [{ text: prompt }] }] };
  try {
    if (!streaming) {
      const { $metadata, ...reply } = await client.send(new ConverseCommand(said));
      seen.push(reply);
      return [reply.output.message.content[0].text, counted(reply.usage)];
    }
    for await (const event of (await client.send(new ConverseStreamCommand(said))).stream) seen.push(event);
    const text = seen.map((event) => event.contentBlockDelta?.delta.text ?? "").join("");
    return [text, counted(seen.find((event) => event.metadata).metadata.usage)];
  } finally {
    client.destroy();
  }
}

async function aiSdk(streaming, prompt, seen) {
  const said = { model: createAmazonBedrock()(MODEL), prompt, maxRetries: 0 };
  let usage;
  if (!streaming) {
    const reply = await generateText(said);
    seen.push({ text: reply.text, usage: reply.usage, finishReason: reply.finishReason });
    usage = reply.usage;
    return [reply.text, [usage.inputTokens - (usage.inputTokenDetails?.cacheReadTokens ?? 0), usage.outputTokens]];
  }
  for await (const part of streamText({ ...said, onError: () => {} }).fullStream) {
    if (part.type === "error") throw part.error;
    if (part.type.startsWith("text-")) seen.push({ type: part.type, text: part.text });
    if (part.type === "finish") {
      usage = part.totalUsage;
      seen.push({ type: part.type, usage, finishReason: part.finishReason });
    }
  }
  const text = seen.map((part) => (part.type === "text-delta" ? part.text : "")).join("");
  return [text, [usage.inputTokens - (usage.inputTokenDetails?.cacheReadTokens ?? 0), usage.outputTokens]];
}

const CALLS = {
  "aws-sdk-js http1": (...call) => converse(new BedrockRuntimeClient({ requestHandler: http1() }), ...call),
  "aws-sdk-js http2": (...call) => converse(new BedrockRuntimeClient(), ...call),
  "ai-sdk": aiSdk,
};

async function done(caller, call) {
  const seen = [];
  try {
    const [text, usage] = await CALLS[caller](call.streaming, call.prompt, seen);
    return { seen, text, usage, error: null };
  } catch (error) {
    const status = error.$metadata?.httpStatusCode ?? error.statusCode ?? null;
    return { seen, error: { type: error.name, code: error.code ?? null, status, text: String(error.message).slice(0, 300) } };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  const before = { ...process.env };
  Object.assign(process.env, job.environ);
  const answers = [];
  for (const call of job.calls) answers.push(await done(job.caller, call));
  for (const name of Object.keys(job.environ)) delete process.env[name];
  Object.assign(process.env, before);
  process.stdout.write(JSON.stringify(answers) + "\n");
}
process.exit(0);
