/// Several bodies in one kernel, which is told by its last argument whose turn it is.
///
/// Some drivers spend far more on a kernel than on what is in it: PoCL 3.1 with LLVM 15 takes about
/// 120 ms to compile, link and load one, and 20 ms more for each body of a loop (measured).
struct KernelBatch {
    let name: String
    let bodies: [KernelSource.Body]
    /// Words of the blob; 0 where it goes through a buffer.
    let blobWords: Int

    /// What bodies of one kernel have in common.
    private struct Signature: Hashable {
        var memory: Int
        var blobIsByValue: Bool
        var group: Group

        init(_ body: KernelSource.Body) {
            memory = body.memory.count
            blobIsByValue = body.blobIsByValue
            group = body.group
        }
    }

    private init(_ bodies: [KernelSource.Body]) {
        self.bodies = bodies
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for body in bodies { for byte in body.name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 } }
        name = bodies.count == 1 ? "kernel_\(bodies[0].name)" : "kernels_\(String(hash, radix: 16))"
        blobWords = bodies[0].blobIsByValue ? bodies.map(\.blobWords).max() ?? 0 : 0
    }

    /// The bodies in as few kernels as can be, or each in its own.
    static func make(_ bodies: [KernelSource.Body], together: Bool) -> [KernelBatch] {
        if !together { return bodies.map { KernelBatch([$0]) } }
        var groups: [Signature: [KernelSource.Body]] = [:]
        for body in bodies { groups[Signature(body), default: []].append(body) }
        return groups.values.map(KernelBatch.init).sorted { $0.name < $1.name }
    }

    var text: String {
        let memory = bodies[0].memory.count
        let type = blobWords > 0 ? "words_\(blobWords)" : "__global const long *"
        let arguments = (0..<memory).map { "__global char *p\($0)" } + ["const \(type) m", "const int which"]
        func call(_ body: KernelSource.Body) -> String {
            let pointers = body.memory.enumerated().map { "(\($1))p\($0)" }
            return "\(body.name)(\((pointers + [blobWords > 0 ? "m.v" : "m"]).joined(separator: ", ")));"
        }
        let statements =
            bodies.count == 1
            ? "    \(call(bodies[0]))\n"
            : "    switch (which) {\n"
                + bodies.enumerated().map { "    case \($0): \(call($1)) break;\n" }.joined() + "    }\n"
        let declaration =
            blobWords > 0
            ? """
            #ifndef WORDS_\(blobWords)
            #define WORDS_\(blobWords)
            typedef struct { long v[\(blobWords)]; } words_\(blobWords);
            #endif

            """ : ""
        return """
            \(declaration)\
            __kernel \(bodies[0].group.attribute)
            void \(name)(\(arguments.joined(separator: ", "))) {
            \(statements)\
            }

            """
    }
}
