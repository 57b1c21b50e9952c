// Sends with nodemailer. In: one line of JSON with {transport, messages: [{from, to, subject}], wait}; out: one line of
// JSON for each message with what came of it. With wait it sends the last message only after another line came in.
import { createInterface } from 'node:readline'
import nodemailer from 'nodemailer'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const job = JSON.parse((await lines.next()).value)
const transport = nodemailer.createTransport(job.transport)

async function send(message) {
  try {
    const info = await transport.sendMail({ text: 'text\n', ...message })
    const refused = (info.rejectedErrors ?? []).map(e => e.response)
    return { response: info.response, accepted: info.accepted, refused }
  } catch (e) {
    return { code: e.code, response: e.response, accepted: [], refused: [] }
  }
}

const last = job.wait ? job.messages.pop() : undefined
for (const result of await Promise.all(job.messages.map(send))) console.log(JSON.stringify(result))
if (last) {
  await lines.next()
  console.log(JSON.stringify(await send(last)))
}
transport.close()
process.exit(0)
