"use strict";
// Shows the fabric. All text comes from the REST interface and is set as text, never as markup.

const LOOK_MS = 2000;
const OCTET = 8;
/** Counters of a port that tell of lost frames, beside its drops: gateware/events.py. */
const OVERRUNS = ["queue_full", "rx_overflow", "tx_underrun"];

const $ = (id) => document.getElementById(id);

/** An element with properties and children. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** What stands behind #. A token (#token=…) is taken from there at once. */
function fragment() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (given.has("token")) {
    sessionStorage.setItem("token", given.get("token"));
    given.delete("token");
    history.replaceState(null, "", given.size ? `#${given}` : location.pathname);
  }
  return given;
}

class Refused extends Error {}

async function ask(path) {
  const token = sessionStorage.getItem("token");
  if (!token) throw new Refused("");
  const answer = await fetch(path, { headers: { Authorization: `Bearer ${token}` } });
  const body = await answer.json().catch(() => ({ error: `status ${answer.status}` }));
  if (answer.status === 401) throw new Refused(body.error);
  if (!answer.ok) throw new Error(body.error);
  return body;
}

/** A colour for a name, the same every time. */
function colour(name) {
  let hash = 0x811c9dc5; // FNV-1a
  for (const letter of name) hash = Math.imul(hash ^ letter.codePointAt(0), 0x01000193);
  return `hsl(${((hash >>> 0) * 137.508) % 360} 60% 52%)`;
}

function short(number, unit) {
  const steps = ["", "k", "M", "G", "T"];
  let step = 0;
  while (number >= 1000 && step < steps.length - 1) {
    number /= 1000;
    step += 1;
  }
  return `${number >= 100 || Number.isInteger(number) ? number.toFixed(0) : number.toFixed(1)} ${steps[step]}${unit}`;
}

function vms(place) {
  return place.count === 1 ? "1 VM" : `${place.count} VMs`;
}

function square(vm, found) {
  const element = make("span", { className: found.has(vm.name) ? "vm here" : "vm" });
  element.style.background = colour(vm.tenant);
  element.title = `${vm.name} of ${vm.tenant}${vm.vlan ? `, VLAN ${vm.vlan}` : ""}`;
  return element;
}

function squares(place, found) {
  const box = make("div", { className: "vms" }, ...place.vms.map((vm) => square(vm, found)));
  const more = place.count - place.vms.length;
  if (more > 0) box.append(make("span", { className: "more", textContent: `and ${more} more` }));
  return box;
}

function said(tep, report) {
  if (tep.foreign) return ["", "not ours", ""];
  if (!report) return ["", "no agent has spoken of it", ""];
  if (report.error) return ["bad", report.error, "error"];
  return ["good", `well since ${report.time.slice(0, 19).replace("T", " ")} UTC, revision ${report.revision}`, ""];
}

function ports(names, counted) {
  if (!counted) return "";
  const head = make("tr", {}, ...["port", "in", "", "out", ""].map(
    (text, column) => make("th", { className: column ? "number" : "", textContent: text })));
  const rows = names.filter((name) => counted.rates.ports[name]).map((name) => {
    const rate = counted.rates.ports[name];
    const cells = ["rx", "tx"].flatMap((way) => [
      short(Math.round(rate[`${way}_frames`]), "fps"), short(rate[`${way}_octets`] * OCTET, "bit/s")]);
    return make("tr", {}, make("td", { textContent: name }),
      ...cells.map((text) => make("td", { className: "number", textContent: text })));
  });
  return make("table", { className: "ports" }, head, ...rows);
}

function card(name, tep, fabric, reports, counters, found) {
  const [state, text, kind] = said(tep, reports.get(name));
  const box = make("article", { className: found.teps.has(name) ? "tep here" : "tep", id: `tep-${name}` },
    make("h3", {}, make("span", { className: `dot ${state}` }), name,
      make("span", { className: "address", textContent: tep.address })),
    make("div", { className: `said ${kind}`, textContent: text }), ports(tep.ports, counters[name]));
  for (const [vswitch, place] of Object.entries(fabric.vswitches)) {
    if (place.tep !== name) continue;
    box.append(make("div", { className: "vswitch" },
      `${vswitch} at ${place.port}, ${vms(place)}`, squares(place, found.vms)));
  }
  if (tep.count) box.append(make("div", { className: "vswitch" }, vms(tep), squares(tep, found.vms)));
  return box;
}

function showDrops(counters) {
  const rows = [];
  for (const [tep, counted] of Object.entries(counters)) {
    for (const [port, values] of Object.entries(counted.counters.ports)) {
      const rates = counted.rates.ports[port];
      for (const reason of [...Object.keys(values.drops), ...OVERRUNS]) {
        const [count, rate] = [values, rates].map((one) => one.drops[reason] ?? one[reason]);
        if (count) rows.push([rate, count, reason, tep, port]);
      }
    }
  }
  rows.sort((one, other) => other[0] - one[0] || other[1] - one[1]);
  $("drops").replaceChildren(...rows.slice(0, 30).map(([rate, count, reason, tep, port]) => make("tr", {},
    make("td", { textContent: reason }), make("td", { textContent: `${tep} ${port}` }),
    make("td", { className: "number", textContent: short(count, "") }),
    make("td", { className: "number", textContent: short(Math.round(rate), "fps") }))));
  if (!rows.length) {
    const text = Object.keys(counters).length ? "nothing" : "no agent tells counters";
    $("drops").append(make("tr", {}, make("td", { textContent: text })));
  }
}

function showTenants(tenants) {
  const sorted = Object.entries(tenants).sort((one, other) => other[1] - one[1]);
  $("tenants").replaceChildren(...sorted.slice(0, 200).map(([name, count]) => {
    const mark = make("span", { className: "vm" });
    mark.style.background = colour(name);
    return make("span", { className: "tenant" }, mark, `${name} ${count}`);
  }));
}

function showLog(entries) {
  $("log").replaceChildren(...entries.reverse().map((entry) => make("tr", {},
    make("td", { className: "number", textContent: entry.revision }),
    make("td", { textContent: entry.author }), make("td", { textContent: entry.action }))));
}

function describe(vm, counters) {
  const list = make("dl");
  const tell = (title, value) => {
    if (value !== undefined && value !== "") {
      list.append(make("dt", { textContent: title }), make("dd", { textContent: value }));
    }
  };
  tell("VM", vm.vm);
  tell("tenant", vm.tenant);
  tell("MAC address", vm.mac);
  tell("IP addresses", (vm.addresses || []).join(", "));
  tell("VLAN ID", vm.vlan);
  tell("vSwitch", vm.vswitch);
  tell("TEP", vm.port ? `${vm.tep}, port ${vm.port}` : vm.tep);
  const port = counters[vm.tep]?.counters.ports[vm.port];
  if (port) {
    const drops = Object.entries(port.drops).filter(([, count]) => count);
    tell("dropped at this port", drops.map(([reason, count]) => `${reason} ${count}`).join(", ") || "nothing");
  }
  return list;
}

function showFound(what, vms, counters) {
  $("found").hidden = !what;
  $("found").replaceChildren(...vms.map((vm) => describe(vm, counters)));
  if (what && !vms.length) $("found").textContent = `No VM is, or has, ${what}.`;
}

let fabric = null;
let log = [];
let shown = "";

async function look() {
  const what = $("what").value.trim();
  const [status, counters] = await Promise.all([ask("/v1/status"), ask("/v1/counters")]);
  if (!fabric || fabric.revision !== status.revision) {
    [fabric, log] = await Promise.all([ask("/v1/overview"), ask("/v1/log?newest=12")]);
  }
  const vms = what ? await ask(`/v1/find?what=${encodeURIComponent(what)}`) : [];
  const found = { vms: new Set(vms.map((vm) => vm.vm)), teps: new Set(vms.map((vm) => vm.tep)) };
  const reports = new Map(status.teps.map((report) => [report.tep, report]));
  // What is the same stays as it is: a selection, an open tooltip.
  const now = JSON.stringify([fabric.revision, status, counters, vms]);
  if (now === shown) return;
  shown = now;
  $("teps").replaceChildren(...Object.entries(fabric.teps).map(
    ([name, tep]) => card(name, tep, fabric, reports, counters, found)));
  showFound(what, vms, counters);
  showDrops(counters);
  showTenants(fabric.tenants);
  showLog([...log]);
  $("state").textContent = `revision ${status.revision}`;
  $("state").className = "";
}

async function refresh() {
  try {
    await look();
    $("refused").textContent = "";
    $("login").hidden = true;
    $("fabric").hidden = false;
  } catch (error) {
    if (error instanceof Refused) {
      sessionStorage.removeItem("token");
      if (error.message) $("refused").textContent = error.message;
      $("login").hidden = false;
      $("fabric").hidden = true;
    } else {
      $("state").textContent = `what you see is old: ${error.message}`;
      $("state").className = "stale";
    }
  }
}

let timer;
async function run() {
  clearTimeout(timer);
  await refresh();
  timer = setTimeout(run, LOOK_MS);
}

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", $("token").value.trim());
  $("token").value = "";
  run();
});

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = new URLSearchParams({ find: $("what").value.trim() });
});

/** A search has an address of its own, to be sent to a colleague. */
function follow() {
  $("what").value = fragment().get("find") || "";
  run();
}

addEventListener("hashchange", follow);
follow();
