'use strict'

// A consent gate for Haraka, as near to consentgate as a plugin comes: one look-up of the same record in the same Redis
// for each recipient, a refusal without consent, one-click fields on top.
const crypto = require('node:crypto')
const { createClient } = require('redis')

exports.register = function () {
  this.idKey = Buffer.from(this.config.get('consent_id_key'), 'base64url')
  this.register_hook('init_master', 'open')
  this.register_hook('init_child', 'open')
  this.register_hook('rcpt', 'consent')
  this.register_hook('data_post', 'fields')
}

exports.open = function (next) {
  this.client = createClient({ url: this.config.get('consent_redis') })
  this.client.connect().then(() => next(), (err) => next(err))
}

const addressOf = (a) => (typeof a.address === 'function' ? a.address() : a.address)

const idOf = (plugin, address) =>
  crypto.createHmac('sha256', plugin.idKey).update(address.toLowerCase()).digest().subarray(0, 16).toString('base64url')

exports.consent = function (next, connection, params) {
  const id = idOf(this, addressOf(params[0]))
  this.client.hGet(`cg:{${id.slice(0, 2)}}:${id}`, 'p:newsletter').then(
    (text) => (text && text.startsWith('active_') ? next(OK) : next(DENY, 'no consent')),
    () => next(DENYSOFT, 'try later'),
  )
}

exports.fields = function (next, connection) {
  const t = connection.transaction
  t.add_header('List-Unsubscribe', `<https://u.bench.test/u/${idOf(this, addressOf(t.rcpt_to[0]))}>`)
  t.add_header('List-Unsubscribe-Post', 'List-Unsubscribe=One-Click')
  next()
}
