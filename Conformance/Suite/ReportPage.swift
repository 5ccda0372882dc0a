/// The parts of a report's page that are the same for every report.
enum ReportPage {
    static let controls = """
        <div class="controls"><label>Operations <input id="filter" type="search" placeholder="softmax  ( / )"></label>
        <label><select id="rows"><option value="all">all rows</option><option value="failed">rows with failures</option>
        <option value="open">rows where not all passed</option></select></label><span id="shown"></span>
        <span class="legend"><i class="l0"></i><i class="l1"></i><i class="l2"></i><i class="l3"></i><i class="l4"></i> passed: exact … all of
        the error bound used <i class="failed">×</i> failed <i class="expected">!</i> failed as expected
        <i class="unsupported">–</i> unsupported <i class="none"></i> not claimed</span></div>
        """

    static let style = """
        :root { color-scheme: light dark; --ink: #1c1c1e; --paper: #fff; --soft: #5f5f66; --faint: #e3e3e8; --raised: #f5f5f8;
          --l0: #dbeee6; --l1: #b3dccb; --l2: #7fc3a8; --l3: #459f80; --l4: #146b50; --bad: #c8321f; --expected: #b97a00; --off: #a9a9b3;
          --focus: #0a5fd8 }
        @media (prefers-color-scheme: dark) { :root { --ink: #ececf0; --paper: #161619; --soft: #a2a2ab; --faint: #303037; --raised: #202025;
          --l0: #1d3a30; --l1: #24574a; --l2: #2c7a64; --l3: #3fa585; --l4: #7fdcbb; --bad: #e5533f; --expected: #d99a1c; --off: #6a6a74;
          --focus: #6fb0ff } }
        * { box-sizing: border-box }
        body { font: 14px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0; height: 100vh; min-height: 40rem;
          display: flex; flex-direction: column }
        header { padding: .8rem 1.2rem .4rem } h1 { font-size: 1.35rem; margin: 0 0 .5rem } h2 { font-size: 1rem; margin: 0 }
        .devices { display: flex; flex-wrap: wrap; gap: .7rem } .device { flex: 1 1 17rem; background: var(--raised); padding: .5rem .8rem;
          border-radius: 6px; border-left: 5px solid var(--l3) } .device.bad { border-color: var(--bad) } .device p { margin: .1rem 0 }
        .driver { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden }
        .facts { color: var(--soft); font-size: 12px } b.failed { color: var(--bad) } b.expected { color: var(--expected) }
        .controls { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; align-items: center; padding: .4rem 1.2rem .6rem }
        input, select, button { font: inherit; color: inherit; background: var(--raised); border: 1px solid var(--off); border-radius: 4px;
          padding: .15rem .5rem } #shown { color: var(--soft) }
        .legend { color: var(--soft); font-size: 12px } .legend i:not(.l1, .l2, .l3, .l4) { margin-left: .7em }
        .legend i, td i { display: inline-block; width: 16px; height: 16px; border-radius: 3px; vertical-align: middle; font: bold 12px/16px
          system-ui, sans-serif; text-align: center; color: #fff }
        .l0 { background: var(--l0) } .l1 { background: var(--l1) } .l2 { background: var(--l2) } .l3 { background: var(--l3) }
        .l4 { background: var(--l4) } i.failed { background: var(--bad) } i.expected { background: var(--expected) }
        i.unsupported { background: var(--off) } i.none { box-shadow: inset 0 0 0 1px var(--faint) }
        main { flex: 1 1 0; min-height: 12rem; overflow: auto; border-top: 1px solid var(--faint); outline: none }
        table { border-collapse: separate; border-spacing: 0 } th { font-weight: normal; text-align: left; background: var(--paper) }
        thead th { position: sticky; z-index: 2 } thead tr:first-child th { top: 0; height: 26px; font-weight: 600; padding: 0 .5rem }
        thead tr + tr th { top: 26px; height: 5.2em; vertical-align: bottom; font-size: 11px; color: var(--soft); border-bottom: 1px solid var(--faint) }
        thead tr + tr th span { writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap }
        tbody th, thead th:first-child { position: sticky; left: 0; z-index: 1; padding: 0 .8rem 0 1.2rem; white-space: nowrap; max-width: 24rem;
          overflow: hidden; text-overflow: ellipsis } thead th:first-child { z-index: 3 } tbody th small { color: var(--soft); font-size: inherit }
        td { padding: 1px; width: 19px; text-align: left; cursor: default; scroll-margin: 7.5rem 1rem 1rem 26rem } td.edge, thead tr + tr th.edge { padding-left: 14px }
        thead tr + tr th { padding: 0 0 2px 1px }
        tbody tr:hover th, tbody tr:hover td { background: var(--raised) }
        td:focus { outline: none } td:focus i, td[aria-selected=true] i { outline: 3px solid var(--focus); outline-offset: 0 }
        #detail { flex: 0 0 auto; min-height: 6.5rem; max-height: 45vh; overflow: auto; border-top: 2px solid var(--faint); background: var(--raised); padding: .7rem 1.2rem }
        #detail p { margin: .2rem 0 } #detail details { margin: .5rem 0 } summary { cursor: pointer; font-weight: 600 }
        pre { font: 12px/1.5 ui-monospace, monospace; background: var(--paper); border: 1px solid var(--faint); border-radius: 4px; margin: .3rem 0;
          padding: .4rem .6rem; white-space: pre-wrap; overflow-wrap: anywhere } .command { display: flex; gap: .5rem; align-items: start }
        .command pre { flex: 1 } .command button { margin-top: .3rem }
        """

    static let script = #"""
        "use strict";
        const data = JSON.parse(document.getElementById("data").textContent);
        const byId = id => document.getElementById(id);
        const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
        const escape = text => text.replace(/[&<>"]/g, c => escapes[c]);
        const [PASSED, FAILED, UNSUPPORTED, EXPECTED, SHARE, ABSOLUTE, ULPS] = [0, 1, 2, 3, 4, 5, 6];
        const columns = data.dtypes.concat(["other"]);
        // The column of what has no dtype is there where a device has something in it.
        const shows = data.devices.map(d => columns.map((_, t) => d.rows.some(row => row[t])));

        function kind(cell) {
          if (!cell) return "none";
          if (cell[FAILED]) return "failed";
          if (cell[EXPECTED]) return "expected";
          if (!cell[PASSED]) return "unsupported";
          const share = cell[SHARE];
          return share > 0.75 ? "l4" : share > 0.5 ? "l3" : share > 0.25 ? "l2" : share > 0 ? "l1" : "l0";
        }
        const signs = { failed: "×", expected: "!", unsupported: "–" };

        function draw() {
          let head = "<tr><th></th>", names = "<tr><th>operation</th>", body = "";
          data.devices.forEach((d, i) => {
            const used = columns.filter((_, t) => shows[i][t]);
            head += `<th class=edge colspan=${used.length}>${escape(d.device)}</th>`;
            used.forEach((name, k) => names += `<th class="${k ? "" : "edge"}"><span>${name}</span></th>`);
          });
          data.ops.forEach((op, o) => {
            const cut = op.indexOf("::") + 1;
            body += `<tr><th title="${escape(op)}">${cut ? `<small>${escape(op.slice(0, cut + 1))}</small>` : ""}${escape(op.slice(cut ? cut + 1 : 0))}</th>`;
            data.devices.forEach((d, i) => {
              let first = true;
              columns.forEach((name, t) => {
                if (!shows[i][t]) return;
                const k = kind(d.rows[o][t]);
                body += `<td${first ? " class=edge" : ""} data-at="${i},${o},${t}"><i class=${k}>${signs[k] || ""}</i></td>`;
                first = false;
              });
            });
            body += "</tr>";
          });
          byId("pane").innerHTML = `<table role=grid><thead>${head}</tr>${names}</tr></thead><tbody>${body}</tbody></table>`;
        }

        const number = x => x === null || x === undefined ? "∞" : x === 0 ? "0" : Math.abs(x) >= 0.001 && Math.abs(x) < 1e5 ? String(+x.toPrecision(3)) : x.toExponential(2);

        function command(text) {
          return `<div class=command><pre>${escape(text)}</pre><button data-copy="${escape(text)}">copy</button></div>`;
        }

        function tell(i, o, t) {
          const device = data.devices[i], cell = device.rows[o][t];
          let text = `<h2>${escape(data.ops[o])} · ${columns[t]} · ${escape(device.device)}</h2><p>${escape(device.driver)}</p>`;
          if (!cell) return text + "<p>Not claimed.</p>";
          const total = cell[PASSED] + cell[FAILED] + cell[UNSUPPORTED] + cell[EXPECTED];
          const counts = [["passed", PASSED], ["failed", FAILED], ["failed as expected", EXPECTED], ["unsupported", UNSUPPORTED]];
          text += `<p>${total} cases: ${counts.filter(c => cell[c[1]]).map(c => `${cell[c[1]]} ${c[0]}`).join(", ")}.`;
          if (cell.length > SHARE) {
            text += cell[SHARE] === 0 ? " Worst error: none, every element is met exactly."
              : cell[SHARE] === null ? " Worst error: beyond any bound."
              : ` Worst error: ${number(cell[SHARE])} of the bound (absolute ${number(cell[ABSOLUTE])}, ${number(cell[ULPS])} ULP).`;
          }
          text += "</p>";
          const told = device.failures.filter(f => f.at[0] === o && f.at[1] === t);
          told.sort((x, y) => (y.status === "failed") - (x.status === "failed"));
          told.forEach((f, n) => {
            text += `<details${n < 2 ? " open" : ""}><summary>${f.status}: ${escape(f.id)}</summary><pre>${escape(f.message)}</pre>`;
            if (f.command) text += command(f.command);
            if (f.minimised) {
              text += `<pre>${f.minimised.call ? "minimised: " + escape(f.minimised.call) + "\n" : ""}${escape(f.minimised.message)}</pre>`;
              if (f.minimised.command) text += command(f.minimised.command);
            }
            text += "</details>";
          });
          const more = total - cell[PASSED] - told.length;
          if (more > 0) text += `<p>… and ${more} more.</p>`;
          return text;
        }

        let selected = null;
        function select(td, focuses) {
          if (!td) return;
          if (selected) { selected.removeAttribute("aria-selected"); selected.tabIndex = -1; }
          selected = td;
          td.setAttribute("aria-selected", "true");
          td.tabIndex = 0;
          if (focuses && document.activeElement !== td) td.focus();
          const [i, o, t] = td.dataset.at.split(",").map(Number);
          byId("detail").innerHTML = tell(i, o, t);
          byId("detail").scrollTop = 0;
          history.replaceState(null, "", "#" + encodeURIComponent(`${data.devices[i].device}/${data.ops[o]}/${columns[t]}`));
        }

        /// The next row that is shown.
        function visible(row, step) {
          do row = step > 0 ? row.nextElementSibling : row.previousElementSibling; while (row && row.hidden);
          return row;
        }

        function move(td, key) {
          const row = td.parentElement, k = [...row.children].indexOf(td);
          const cell = (row, k) => row && row.children[k] && row.children[k].tagName === "TD" ? row.children[k] : null;
          switch (key) {
            case "ArrowRight": return cell(row, k + 1);
            case "ArrowLeft": return cell(row, k - 1);
            case "ArrowDown": return cell(visible(row, 1), k);
            case "ArrowUp": return cell(visible(row, -1), k);
            case "Home": return cell(row, 1);
            case "End": return row.lastElementChild;
          }
        }

        function filter() {
          const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean), wanted = byId("rows").value;
          let count = 0;
          byId("pane").querySelectorAll("tbody tr").forEach((row, o) => {
            const cells = data.devices.flatMap(d => d.rows[o]).filter(Boolean);
            const fits = words.every(w => data.ops[o].toLowerCase().includes(w)) && (wanted === "all"
              || cells.some(c => c[FAILED] || (wanted === "open" && (c[UNSUPPORTED] || c[EXPECTED]))));
            row.hidden = !fits;
            count += fits;
          });
          byId("shown").textContent = `${count} of ${data.ops.length} operations`;
        }

        draw();
        filter();
        byId("filter").addEventListener("input", filter);
        byId("rows").addEventListener("change", filter);
        byId("pane").addEventListener("click", e => select(e.target.closest("td"), true));
        byId("pane").addEventListener("focusin", e => { const td = e.target.closest("td"); if (td && td !== selected) select(td); });
        byId("pane").addEventListener("keydown", e => {
          const td = e.target.closest("td"), next = td && move(td, e.key);
          if (!next) return;
          e.preventDefault();
          select(next, true);
          // Clear of the names that stay in place.
          next.scrollIntoView({ block: "nearest", inline: "nearest" });
        });
        byId("detail").addEventListener("click", e => {
          if (e.target.dataset.copy) navigator.clipboard.writeText(e.target.dataset.copy).then(() => e.target.textContent = "copied");
        });
        document.addEventListener("keydown", e => {
          if (e.key === "/" && e.target !== byId("filter")) { e.preventDefault(); byId("filter").focus(); }
        });
        (function begin() {
          const wanted = decodeURIComponent(location.hash.slice(1)).split("/");
          const place = [data.devices.findIndex(d => d.device === wanted[0]), data.ops.indexOf(wanted[1]), columns.indexOf(wanted[2])];
          const pane = byId("pane");
          const td = wanted.length === 3 && pane.querySelector(`td[data-at="${place}"]`)
            || (pane.querySelector("i.failed") || pane.querySelector("tbody i"))?.parentElement;
          select(td);
          td?.scrollIntoView({ block: "center" });
        })();
        """#
}
